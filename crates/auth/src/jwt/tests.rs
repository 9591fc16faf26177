use std::{
    sync::LazyLock,
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{EncodingKey, Header, encode};
use rcgen::{
    KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PKCS_RSA_SHA256, PublicKeyData, RsaKeySize,
};
use serde_json::{Value, json};
use whipstitch_signaling::StreamKey;

use Role::{Play, Publish};

use super::*;
use crate::KeysError;

const SECRET: &str = "a secret of thirty-two bytes or more";

/// Making one takes a while.
static RSA: LazyLock<KeyPair> =
    LazyLock::new(|| KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap());
static EC: LazyLock<KeyPair> =
    LazyLock::new(|| KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap());
static ED: LazyLock<KeyPair> = LazyLock::new(|| KeyPair::generate_for(&PKCS_ED25519).unwrap());

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

fn verifier(keys: Keys) -> Verifier {
    Verifier::new(&Auth::default(), watch::channel(Arc::new(keys)).1)
}

fn secret() -> Verifier {
    verifier(Keys::of_file(SECRET).unwrap())
}

fn signed(claims: &Value) -> String {
    with_header(&Header::new(Algorithm::HS256), claims)
}

fn with_header(header: &Header, claims: &Value) -> String {
    let key = EncodingKey::from_secret(SECRET.as_bytes()).unwrap();
    encode(header, claims, &key).unwrap()
}

/// A good token of each kind of key that has two halves, and the file of its public one.
fn pairs() -> [(String, String, Algorithm); 3] {
    let claims = json!({"exp": now() + 60, "sub": "alice"});
    let token = |algorithm, key| encode(&Header::new(algorithm), &claims, &key).unwrap();
    let private = |pair: &KeyPair| pair.serialize_pem().into_bytes();
    let rsa = EncodingKey::from_rsa_pem(&private(&RSA)).unwrap();
    let ec = EncodingKey::from_ec_pem(&private(&EC)).unwrap();
    let ed = EncodingKey::from_ed_pem(&private(&ED)).unwrap();
    [
        (
            token(Algorithm::RS256, rsa),
            RSA.public_key_pem(),
            Algorithm::RS256,
        ),
        (
            token(Algorithm::ES256, ec),
            EC.public_key_pem(),
            Algorithm::ES256,
        ),
        (
            token(Algorithm::EdDSA, ed),
            ED.public_key_pem(),
            Algorithm::EdDSA,
        ),
    ]
}

#[test]
fn each_kind_of_key_verifies_its_own_tokens_and_no_others() {
    let all = pairs();
    for (_, pem, algorithm) in &all {
        let verifier = verifier(Keys::of_file(pem).unwrap());
        for (token, _, other) in &all {
            let expected = if algorithm == other {
                Ok(())
            } else {
                Err(Why::UnknownKey)
            };
            let found = verifier.verify(token, Age::Good).map(|_| ());
            assert_eq!(found, expected, "{algorithm:?} {other:?}");
        }
        // The public key, as everybody has it, is no secret of HS256 (RFC 8725 §2.1).
        let public = EncodingKey::from_secret(pem.as_bytes()).unwrap();
        let claims = json!({"exp": now() + 60});
        let forged = encode(&Header::new(Algorithm::HS256), &claims, &public).unwrap();
        assert_eq!(verifier.verify(&forged, Age::Good), Err(Why::UnknownKey));
    }
}

#[test]
fn a_token_without_a_signature_is_none() {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = part(&json!({"exp": now() + 60}));
    for algorithm in ["none", "None", "NONE", "", "HS384x"] {
        let header = part(&json!({"alg": algorithm, "typ": "JWT"}));
        for end in ["", "AAAA"] {
            let token = format!("{header}.{claims}.{end}");
            assert_eq!(
                secret().verify(&token, Age::Good),
                Err(Why::Malformed),
                "{algorithm}"
            );
        }
    }
    let header = part(&json!({"alg": "HS256"}));
    let verified = secret().verify(&format!("{header}.{claims}."), Age::Good);
    assert!(
        matches!(verified, Err(Why::Signature | Why::Malformed)),
        "{verified:?}"
    );
    for token in ["", ".", "..", "a.b.c", "undefined", "null"] {
        assert_eq!(
            secret().verify(token, Age::Good),
            Err(Why::Malformed),
            "{token}"
        );
    }
}

#[test]
fn times_audience_and_issuer_are_held_against_the_settings() {
    let mut config = Auth {
        issuer: Some("i".to_owned()),
        audience: Some("a".to_owned()),
        ..Auth::default()
    };
    let keys = watch::channel(Arc::new(Keys::of_file(SECRET).unwrap())).1;
    let strict = Verifier::new(&config, keys.clone());
    (config.issuer, config.audience) = (None, None);
    let lax = Verifier::new(&config, keys);
    let good = json!({"exp": now() + 60, "iss": "i", "aud": ["x", "a"]});
    let with = |key: &str, value: Value| {
        let mut claims = good.clone();
        claims[key] = value;
        signed(&claims)
    };
    assert!(strict.verify(&signed(&good), Age::Good).is_ok());
    for (token, why, is_told_by_the_lax) in [
        (with("exp", json!(now() - 31)), Why::Expired, true),
        (with("exp", json!("soon")), Why::Claim, true),
        (with("exp", Value::Null), Why::Claim, true),
        (with("nbf", json!(now() + 40)), Why::Immature, true),
        (with("aud", json!("b")), Why::Audience, false),
        (with("aud", Value::Null), Why::Audience, false),
        (with("iss", json!("j")), Why::Issuer, false),
        (with("iss", Value::Null), Why::Issuer, false),
    ] {
        assert_eq!(strict.verify(&token, Age::Good), Err(why));
        assert_eq!(
            lax.verify(&token, Age::Good).is_err(),
            is_told_by_the_lax,
            "{why}"
        );
    }
    // Clocks may be off by `auth.leeway`.
    assert!(
        strict
            .verify(&with("exp", json!(now() - 25)), Age::Good)
            .is_ok()
    );
    assert!(
        strict
            .verify(&with("nbf", json!(now() + 25)), Age::Good)
            .is_ok()
    );
    // Who made a session hours ago ends it with the same token.
    let old = with("exp", json!(now() - 7200));
    assert!(strict.verify(&old, Age::Any).is_ok());
}

#[test]
fn claims_limit_roles_and_streams() {
    let grant = |claims: Value| {
        let mut claims = claims;
        claims["exp"] = json!(now() + 60);
        secret().verify(&signed(&claims), Age::Good)
    };
    let allows = |claims: Value, role, stream: &str| {
        let key = StreamKey::from_guid(stream).unwrap();
        grant(claims).unwrap().of(role).allows(&key)
    };
    for (claims, role, stream, expected) in [
        (json!({}), Publish, "live/s1", true),
        (json!({"role": "publish"}), Publish, "live/s1", true),
        (json!({"role": "publish"}), Play, "live/s1", false),
        (json!({"role": ["play", "publish"]}), Play, "live/s1", true),
        (json!({"role": []}), Play, "live/s1", false),
        (json!({"stream": "live/s1"}), Play, "live/s1", true),
        (json!({"stream": "live/s1"}), Play, "live/s10", false),
        (json!({"stream": ["a/b", "live/*"]}), Play, "live/s10", true),
        (json!({"stream": "live/*"}), Play, "live/room/s1", false),
        (json!({"stream": []}), Play, "live/s1", false),
    ] {
        assert_eq!(
            allows(claims.clone(), role, stream),
            expected,
            "{claims} {stream}"
        );
    }
    for claims in [
        json!({"role": "admin"}),
        json!({"role": 1}),
        json!({"stream": "/live"}),
        json!({"stream": vec!["a"; 65]}),
        json!({"sub": 1}),
    ] {
        assert_eq!(grant(claims.clone()), Err(Why::Claim), "{claims}");
    }
}

#[test]
fn whose_a_token_is_outlives_the_token() {
    let owner = |claims: Value| {
        let mut claims = claims;
        claims["exp"] = json!(now() + 60);
        secret().verify(&signed(&claims), Age::Good).unwrap().owner
    };
    let alice = json!({"sub": "alice", "iss": "a"});
    assert_eq!(
        owner(alice.clone()),
        owner(json!({"sub": "alice", "iss": "a", "jti": "2"}))
    );
    assert_ne!(
        owner(alice.clone()),
        owner(json!({"sub": "bob", "iss": "a"}))
    );
    assert_ne!(owner(alice), owner(json!({"sub": "alice", "iss": "b"})));
    assert_ne!(owner(json!({"jti": "1"})), owner(json!({"jti": "2"})));
}

#[test]
fn what_is_too_long_is_not_looked_at() {
    let claims = json!({"exp": now() + 60, "x": "x".repeat(65_536)});
    assert_eq!(
        secret().verify(&signed(&claims), Age::Good),
        Err(Why::TooLong)
    );
}

#[test]
fn a_set_is_read_key_by_key_and_names_count() {
    let jwk = |algorithm, id: &str| {
        let private = |pair: &KeyPair| pair.serialize_pem().into_bytes();
        let key = match algorithm {
            Algorithm::RS256 => EncodingKey::from_rsa_pem(&private(&RSA)),
            Algorithm::ES256 => EncodingKey::from_ec_pem(&private(&EC)),
            _ => {
                let x = URL_SAFE_NO_PAD.encode(ED.der_bytes());
                return json!({"kty": "OKP", "crv": "Ed25519", "x": x, "kid": id});
            }
        };
        let jwk = jsonwebtoken::jwk::Jwk::from_encoding_key(&key.unwrap(), algorithm);
        let mut jwk = serde_json::to_value(jwk.unwrap()).unwrap();
        jwk["kid"] = json!(id);
        jwk
    };
    let mut set = json!({"keys": [
        {"kty": "RSA", "n": "AQAB"},
        {"kty": "QUANTUM", "kid": "q"},
        {"kty": "oct", "k": "c2hvcnQ", "kid": "short"},
        "nonsense",
        jwk(Algorithm::RS256, "r"), jwk(Algorithm::ES256, "e"), jwk(Algorithm::EdDSA, "d"),
    ]});
    let read = |set: &Value| Keys::of_set(set.to_string().as_bytes());
    let keys = read(&set).unwrap();
    assert_eq!(keys.count(), 3, "{keys:?}");
    let verifier = verifier(keys);
    for (token, _, algorithm) in pairs() {
        assert!(verifier.verify(&token, Age::Good).is_ok(), "{algorithm:?}");
    }
    let key = EncodingKey::from_ed_pem(ED.serialize_pem().as_bytes()).unwrap();
    let mut header = Header::new(Algorithm::EdDSA);
    for (id, good) in [("d", true), ("e", false), ("unknown", false)] {
        header.kid = Some(id.to_owned());
        let token = encode(&header, &json!({"exp": now() + 60}), &key).unwrap();
        assert_eq!(verifier.verify(&token, Age::Good).is_ok(), good, "{id}");
    }
    for encrypts in [json!({"use": "enc"}), json!({"alg": "RS512"})] {
        let mut one = jwk(Algorithm::RS256, "r");
        one.as_object_mut()
            .unwrap()
            .extend(encrypts.as_object().unwrap().clone());
        assert_eq!(read(&json!({"keys": [one]})).err(), Some(KeysError::None));
    }
    set["keys"] = json!(vec![jwk(Algorithm::EdDSA, "d"); 65]);
    assert_eq!(read(&set).err(), Some(KeysError::TooMany));
    for text in [
        "",
        "<html><body>502</body></html>",
        "[]",
        "{}",
        "{\"keys\":{}}",
    ] {
        assert_eq!(
            Keys::of_set(text.as_bytes()).err(),
            Some(KeysError::NotASet),
            "{text}"
        );
    }
}
