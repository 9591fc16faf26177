use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    time::{Instant, advance},
};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use super::*;
use crate::{
    BaseUrl,
    resolve::fake::{Fake, Said, ips, said},
};

fn manager(fake: &Arc<Fake>) -> ManagerAddress {
    let base = BaseUrl::parse("http://sm.example.com:5080").unwrap();
    ManagerAddress::new(base, fake.resolver())
}

async fn found(manager: &ManagerAddress) -> Result<Vec<std::net::IpAddr>, ResolveError> {
    manager.addresses().await.map(|found| found.to_vec())
}

#[tokio::test(start_paused = true)]
async fn a_name_is_asked_for_every_few_seconds_at_most() {
    let fake = Fake::new([said("10.0.0.1")]);
    let manager = manager(&fake);
    for _ in 0..50 {
        assert_eq!(found(&manager).await, Ok(ips("10.0.0.1")));
        advance(Duration::from_millis(99)).await;
    }
    assert_eq!(fake.times_asked(), 1);
    advance(Duration::from_millis(100)).await;
    assert_eq!(found(&manager).await, Ok(ips("10.0.0.1")));
    assert_eq!(fake.times_asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_last_good_addresses_count_while_there_are_no_newer() {
    let fake = Fake::new([said("10.0.0.1")]);
    let manager = manager(&fake);
    found(&manager).await.unwrap();
    let generation = manager.generation().await;
    for bad in [
        said(""),
        Said::After(Duration::from_mins(10), ips("10.0.0.9")),
    ] {
        fake.say([bad]);
        for _ in 0..20 {
            advance(Duration::from_secs(3)).await;
            let asked = Instant::now();
            assert_eq!(found(&manager).await, Ok(ips("10.0.0.1")));
            assert!(
                asked.elapsed() <= Duration::from_millis(200),
                "{:?}",
                asked.elapsed()
            );
        }
    }
    assert_eq!(manager.generation().await, generation);
}

#[tokio::test(start_paused = true)]
async fn a_slow_answer_counts_when_it_comes() {
    let fake = Fake::new([
        said("10.0.0.1"),
        Said::After(Duration::from_secs(3), ips("10.0.0.2")),
    ]);
    let manager = manager(&fake);
    found(&manager).await.unwrap();
    advance(Duration::from_secs(6)).await;
    assert_eq!(found(&manager).await, Ok(ips("10.0.0.1")));
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(found(&manager).await, Ok(ips("10.0.0.2")));
}

#[tokio::test(start_paused = true)]
async fn without_any_address_there_is_an_error_soon_and_a_retry_soon() {
    let fake = Fake::new([said("")]);
    let manager = manager(&fake);
    for _ in 0..100 {
        assert_eq!(found(&manager).await, Err(ResolveError::NoSuchName));
    }
    assert_eq!(fake.times_asked(), 1);
    fake.say([said("10.0.0.1")]);
    advance(Duration::from_secs(1)).await;
    assert_eq!(found(&manager).await, Ok(ips("10.0.0.1")));

    let hanging = Fake::new([Said::After(Duration::from_secs(30), ips("10.0.0.1"))]);
    let manager = self::manager(&hanging);
    let asked = Instant::now();
    let all = futures_util::future::join_all((0..100).map(|_| found(&manager))).await;
    assert!(all.iter().all(|found| *found == Err(ResolveError::Timeout)));
    assert_eq!(
        (asked.elapsed(), hanging.times_asked()),
        (Duration::from_secs(1), 1)
    );
}

#[tokio::test(start_paused = true)]
async fn another_order_is_no_change_and_another_address_is_one() {
    let fake = Fake::new([
        said("10.0.0.1 10.0.0.2"),
        said("10.0.0.2 10.0.0.1"),
        said("10.0.0.2 10.0.0.3"),
    ]);
    let manager = manager(&fake);
    let first = manager.generation().await;
    advance(Duration::from_secs(6)).await;
    assert_eq!(manager.generation().await, first);
    advance(Duration::from_secs(6)).await;
    assert_eq!(manager.generation().await, first + 1);
}

#[tokio::test]
async fn an_address_in_the_url_is_not_resolved() {
    for url in ["http://127.0.0.1:5080", "http://[::1]:5080"] {
        let fake = Fake::new([said("")]);
        let manager = ManagerAddress::new(BaseUrl::parse(url).unwrap(), fake.resolver());
        assert_eq!(manager.generation().await, 0);
        assert_eq!(fake.times_asked(), 0);
    }
}

/// A manager that names itself, on connections that stay open.
fn serve(name: &'static str, listener: TcpListener) -> AbortOnDropHandle<()> {
    let tasks = TaskTracker::new();
    AbortOnDropHandle::new(tasks.clone().spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            tasks.spawn(async move {
                let mut read = [0; 1024];
                while socket.read(&mut read).await.unwrap_or(0) > 0 {
                    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{name}");
                    socket.write_all(answer.as_bytes()).await.unwrap();
                }
            });
        }
    }))
}

#[tokio::test]
async fn a_manager_that_moved_is_followed_though_the_old_one_goes_on_to_answer() {
    let old = TcpListener::bind("127.0.0.71:0").await.unwrap();
    let port = old.local_addr().unwrap().port();
    let new = TcpListener::bind(("127.0.0.72", port)).await.unwrap();
    let _old = serve("o", old);
    let _new = serve("n", new);

    let fake = Fake::new([said("127.0.0.71")]);
    let url = format!("http://sm.example.com:{port}");
    let manager = ManagerAddress::new(BaseUrl::parse(&url).unwrap(), fake.resolver());
    let clients = Clients::<Empty<Bytes>>::new(manager, Duration::from_secs(2), 16).unwrap();
    let ask = async || {
        let request = Request::get(&url).body(Empty::new()).unwrap();
        let answer = clients.current().await.request(request).await.unwrap();
        answer.into_body().collect().await.unwrap().to_bytes()
    };
    assert_eq!(ask().await, "o");
    fake.say([said("127.0.0.72")]);
    assert_eq!(ask().await, "o", "it was looked at just now");
    tokio::time::pause();
    advance(Duration::from_secs(6)).await;
    tokio::time::resume();
    assert_eq!(ask().await, "n", "within ten seconds");
    // And back to where it does not resolve: the last good address counts.
    fake.say([said("")]);
    tokio::time::pause();
    advance(Duration::from_secs(6)).await;
    tokio::time::resume();
    assert_eq!(ask().await, "n");
}
