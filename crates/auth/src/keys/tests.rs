use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384};

use super::*;

#[test]
fn a_file_that_holds_something_else_is_refused_and_not_repeated() {
    let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let larger = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
    for (text, error) in [
        (pair.serialize_pem(), KeysError::Private),
        (larger.public_key_pem(), KeysError::NotAKey),
        (pair.public_key_pem().replace('M', "!"), KeysError::NotAKey),
        ("-----BEGIN CERTIFICATE-----".to_owned(), KeysError::NotAKey),
        ("{\"keys\":[]}".to_owned(), KeysError::IsSet),
        (
            "hunter2hunter2hunter2hunter2\n".to_owned(),
            KeysError::ShortSecret,
        ),
        (String::new(), KeysError::ShortSecret),
    ] {
        let read = Keys::of_file(&text);
        assert_eq!(read.err(), Some(error), "{text}");
        assert!(!error.to_string().contains("hunter2"));
    }
    let pem = format!(
        "\u{feff}\r\n{}\r\n",
        pair.public_key_pem().replace('\n', "\r\n")
    );
    assert_eq!(Keys::of_file(&pem).unwrap().count(), 1);
    let secret = Keys::of_file(&format!("{}\n", "s3cret".repeat(6))).unwrap();
    assert!(!format!("{secret:?}").contains("s3cret"));
}
