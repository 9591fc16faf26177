use proptest::prelude::*;

use super::*;

fn parse(path: &str) -> Result<Route, NameError> {
    Route::parse(path, false, Api::V1)
}

fn two(path: &str) -> Result<Route, NameError> {
    Route::parse(path, false, Api::V2)
}

fn api(two: bool) -> Api {
    if two { Api::V2 } else { Api::V1 }
}

fn key(scope: &str, name: &str) -> StreamKey {
    StreamKey::new(scope, name).unwrap()
}

#[test]
fn extensions_have_a_token_or_are_none() {
    for form in [Form::Classic, Form::Guid] {
        let key = key("live/room", "s1");
        let path = form.extension(Role::Play, &key, "to-ken_");
        let extension = Route::Extension {
            role: Role::Play,
            key,
            form,
            token: "to-ken_".into(),
        };
        assert_eq!(two(&path), Ok(extension), "{path}");
    }
    assert_eq!(parse("/live/whip/extension"), Ok(Route::Manager));
    assert_eq!(parse("/live/whip/extension/s1"), Ok(Route::Manager));
    assert!(parse("/live/whip/extension/s1/a/b").is_err());
    assert!(parse("/live/whip/extension/s1/").is_err());
    assert!(parse("/live/whip/extension/%00/a").is_err());
    assert!(two("/as/v1/proxy/whip/s1/extension:a").is_err());
}

#[test]
fn endpoints_and_sessions() {
    let endpoint = |path| parse(path).unwrap();
    assert_eq!(
        endpoint("/live/whip/endpoint/s1"),
        Route::Endpoint {
            role: Role::Publish,
            key: key("live", "s1"),
            form: Form::Classic,
        }
    );
    assert_eq!(
        endpoint("/live/myroom/desk/whep/endpoint/s1/"),
        Route::Endpoint {
            role: Role::Play,
            key: key("live/myroom/desk", "s1"),
            form: Form::Classic,
        }
    );
    assert_eq!(
        endpoint("/live/whip/endpoint/whep/endpoint/s1"),
        Route::Endpoint {
            role: Role::Play,
            key: key("live/whip/endpoint", "s1"),
            form: Form::Classic,
        }
    );
    assert_eq!(
        endpoint("/live/whip/resource/s1"),
        Route::Session {
            role: Role::Publish,
            key: key("live", "s1"),
            token: None
        }
    );
    assert_eq!(
        endpoint("/live/whep/resource/s1/abc"),
        Route::Session {
            role: Role::Play,
            key: key("live", "s1"),
            token: Some("abc".into())
        }
    );
}

#[test]
fn a_bad_name_is_an_error_and_not_the_managers() {
    for path in [
        "/live/whip/endpoint/",
        "/live/whip/endpoint",
        "/live/whip/endpoint/a b",
        "/live/whip/endpoint/a/b",
        "/live/whip/resource/a/b/c",
        "/live/../x/whip/endpoint/a",
    ] {
        assert!(parse(path).is_err(), "{path}");
    }
}

#[test]
fn a_socket_is_asked_for_by_path_and_upgrade() {
    assert_eq!(
        Route::parse("/streammanager", true, Api::V1),
        Ok(Route::Socket)
    );
    assert_eq!(
        Route::parse("/streammanager/", true, Api::V1),
        Ok(Route::Socket)
    );
    assert_eq!(
        Route::parse("/streammanager/", false, Api::V1),
        Ok(Route::Manager)
    );
    assert_eq!(
        Route::parse("/streammanager/x", true, Api::V1),
        Ok(Route::Manager)
    );
}

#[test]
fn administration_is_seen_through_every_disguise() {
    for path in [
        "/streammanager/api/4.0/admin/nodegroup",
        "/streammanager/api/3.1/admin",
        "//streammanager//api/4.0/admin/x",
        "/streammanager/api/4.0/%61dmin/x",
        "/streammanager/api/4.0/%2561dmin/x",
        "/streammanager/api/4.0/%252561dmin/x",
        "/streammanager/api/4.0/admin;jsessionid=1/x",
        "/streammanager/api/4.0/ADMIN/x",
        "/streammanager/api/4.0/x/../admin/x",
        "/streammanager%2fapi%2f4.0%2fadmin",
        "/streammanager\\api\\4.0\\admin",
        "/streammanager;x/api/4.0/./admin",
        "/x/../streammanager/api/4.0/admin",
    ] {
        assert_eq!(parse(path), Ok(Route::ManagerAdmin), "{path}");
    }
    for path in [
        "/",
        "",
        "*",
        "/admin",
        "/streammanager/api/4.0/event/live/administrator",
        "/live/x.html",
        "/images/100%25.png",
        "/caf%E9.html",
        "/streammanager/api/4.0/adm%",
    ] {
        assert_eq!(parse(path), Ok(Route::Manager), "{path}");
    }
}

#[test]
fn two_has_one_url_for_endpoint_and_session() {
    assert_eq!(
        two("/as/v1/proxy/whip/live/stream1"),
        Ok(Route::Endpoint {
            role: Role::Publish,
            key: key("live", "stream1"),
            form: Form::Guid
        })
    );
    assert_eq!(
        two("/as/v1/proxy/whep/live/room2/stream12/"),
        Ok(Route::Endpoint {
            role: Role::Play,
            key: key("live/room2", "stream12"),
            form: Form::Guid
        })
    );
    // A guid is read as such, whatever its rooms are called.
    assert_eq!(
        two("/as/v1/proxy/whip/live/whep/endpoint/s"),
        Ok(Route::Endpoint {
            role: Role::Publish,
            key: key("live/whep/endpoint", "s"),
            form: Form::Guid
        })
    );
    assert_eq!(
        two("/as/v1/proxy/whip/live/stream1/session:abc-_"),
        Ok(Route::Session {
            role: Role::Publish,
            key: key("live", "stream1"),
            token: Some("abc-_".into())
        })
    );
    assert_eq!(
        two("/live/whip/endpoint/s1"),
        parse("/live/whip/endpoint/s1"),
        "the grammar of 1.x stays"
    );
    for socket in [false, true] {
        assert_eq!(
            Route::parse("/as/v1/proxy/ws/subscribe/live/room/s1", socket, Api::V2),
            Ok(Route::StreamSocket {
                role: Role::Play,
                key: key("live/room", "s1")
            })
        );
    }
    assert_eq!(
        two("/as/v1/proxy/ws/publish/live/s1"),
        Ok(Route::StreamSocket {
            role: Role::Publish,
            key: key("live", "s1")
        })
    );
}

#[test]
fn a_guid_that_is_none_is_an_error_and_goes_nowhere() {
    for path in [
        "/as/v1/proxy/whip/",
        "/as/v1/proxy/whip/stream1",
        "/as/v1/proxy/whip//live/s1",
        "/as/v1/proxy/whip/live//s1",
        "/as/v1/proxy/whip/../forward/",
        "/as/v1/proxy/whip/live/%2e%2e/%2e%2e/forward",
        "/as/v1/proxy/whip/live/s1;x",
        "/as/v1/proxy/whip/live/session:abc",
        "/as/v1/proxy/whip/session:abc",
        "/as/v1/proxy/whip/live/session:x/s1",
        "/as/v1/proxy/whep/live/s1/session:a/b",
        "/as/v1/proxy/ws/publish/s1",
        "/as/v1/proxy/ws/subscribe/live/s1/session:abc",
        "/as/v1/proxy/whip/1/2/3/4/5/6/7/8/9/s",
    ] {
        assert!(two(path).is_err(), "{path}");
    }
}

#[test]
fn nothing_is_forwarded_however_it_is_written() {
    for path in [
        "/as/v1/proxy/forward",
        "/as/v1/proxy/forward/",
        "/as/v1/proxy/forward/x",
        "/as/v1/proxy/%66orward/",
        "/as/v1/proxy/%2566orward/",
        "/as/v1/proxy//forward/",
        "/as/v1/proxy/./forward/",
        "/as/v1/proxy/x/../forward/",
        "/as/v1/proxy;a=b/forward;c",
        "/AS/v1/Proxy/FORWARD/",
        "/as%2fv1%2fproxy%2fforward",
        "//as//v1//proxy//forward",
        "/x/../as/v1/proxy/forward/",
        "/as/v2/proxy/forward/",
    ] {
        assert_eq!(two(path), Ok(Route::ForwardProxy), "{path}");
        assert_eq!(parse(path), Ok(Route::ForwardProxy), "{path} with 1");
    }
    // What is below `proxy` and unknown is ours to refuse, unless the manager is one of 1.x, which
    // has nothing there.
    for path in [
        "/as/v1/proxy",
        "/as/v1/proxy/",
        "/as/v1/proxy/whip",
        "/as/v1/proxy/ws/dance/live/s1",
        "/as/v1/proxy/WHIP/live/s1",
        "/as/v1/%70roxy/whip/live/s1",
        "/as/v2/proxy/whip/live/s1",
    ] {
        assert_eq!(two(path), Ok(Route::ForwardProxy), "{path}");
        assert_eq!(parse(path), Ok(Route::Manager), "{path} with 1");
    }
}

#[test]
fn administration_of_two_is_seen_and_a_stream_called_admin_is_none() {
    for path in [
        "/as/v1/admin/nodegroup/status/default",
        "/as/v1/admin",
        "/as/v1/admin/",
        "/as/v1//admin/x",
        "/as/./v1/admin/x",
        "/as/v1/%61dmin/x",
        "/as/v1/streams/../admin/x",
        "/AS/V1/Admin/x",
        "/as;x/v1/admin",
    ] {
        for parsed in [two(path), parse(path)] {
            assert_eq!(parsed, Ok(Route::ManagerAdmin), "{path}");
        }
    }
    for path in [
        "/as/v1/streams/stream/default/publish/live/admin",
        "/as/v1/streams/stream/admin/publish/live/s1",
        "/as/v1/streams/stream/default/publish/proxy/forward",
        "/as/v1/auth/login",
        "/swagger-ui/index.html",
    ] {
        assert_eq!(two(path), Ok(Route::Manager), "{path}");
    }
}

#[test]
fn a_session_url_is_what_an_sdk_keeps_of_it() {
    // red5pro-webrtc-sdk 11.0.0: of a relative Location the path, `/endpoint/` in it replaced once.
    let stream = key("live/room", "s1");
    for form in [Form::Classic, Form::Guid] {
        let location = form.session(Role::Play, &stream, "abc-_0");
        assert!(
            location.starts_with('/') && !location.contains(['?', '#', '%']),
            "{location}"
        );
        let kept = location.replacen("/endpoint/", "/resource/", 1);
        assert_eq!(
            two(&kept),
            Ok(Route::Session {
                role: Role::Play,
                key: stream.clone(),
                token: Some("abc-_0".into())
            }),
            "{kept}"
        );
    }
    assert_eq!(
        node_endpoint(Role::Play, &stream),
        "/live/room/whep/endpoint/s1"
    );
}

proptest! {
    #[test]
    fn what_two_builds_is_what_it_reads(
        scope in "[a-zA-Z0-9_-]{1,9}(/[a-zA-Z0-9._~-]{3,9}){0,3}",
        name in "[a-zA-Z0-9_~-]{1,20}",
        token in "[a-zA-Z0-9_-]{0,150}",
        play: bool,
    ) {
        let role = if play { Role::Play } else { Role::Publish };
        let stream = key(&scope, &name);
        let endpoint = two(&format!("/as/v1/proxy/{}/{scope}/{name}", role.protocol()));
        prop_assert_eq!(endpoint, Ok(Route::Endpoint { role, key: stream.clone(), form: Form::Guid }));
        let session = two(&Form::Guid.session(role, &stream, &token));
        prop_assert_eq!(session, Ok(Route::Session { role, key: stream, token: Some(token) }));
    }

    /// Nothing that could be read as the forward proxy or the administration is the manager's.
    #[test]
    fn no_disguise_passes(
        before in "(/|//|/\\./|/x/\\.\\./)",
        between in "(/|//|/\\./|;a=b/|/%2e/|%2f)",
        word in "(forward|%66orward|FORWARD|forwar%64|%2566orward)",
        behind in "(|/|/x|;y)",
        two: bool,
    ) {
        let path = format!("{before}as{between}v1{between}proxy{between}{word}{behind}");
        prop_assert_eq!(Route::parse(&path, false, api(two)), Ok(Route::ForwardProxy));
        let path = format!("{before}as{between}v1{between}%61dmin{behind}");
        prop_assert_eq!(Route::parse(&path, false, api(two)), Ok(Route::ManagerAdmin));
    }

    #[test]
    fn what_is_built_is_what_is_read(scope in "[a-zA-Z0-9_-]{1,9}(/[a-zA-Z0-9._~-]{3,9}){0,3}", name in "[a-zA-Z0-9_~-]{1,20}", two: bool) {
        let read = Route::parse(&format!("/{scope}/whep/endpoint/{name}"), false, api(two));
        prop_assert_eq!(read, Ok(Route::Endpoint { role: Role::Play, key: key(&scope, &name), form: Form::Classic }));
    }

    #[test]
    fn any_path_is_taken(path in ".{0,200}", websocket: bool, two: bool) {
        let _ = Route::parse(&path, websocket, api(two));
    }
}
