//! How long a token is good for, as it says of itself (RFC 7519). Nothing is verified: the manager
//! that gave it is the one that has to accept it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{
    Engine,
    alphabet::URL_SAFE,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde::Deserialize;

/// The life of a token that says nothing, as Stream Manager 2.0 gives it unless configured
/// otherwise.
const USUAL: Duration = Duration::from_mins(400);
/// A token of shorter life is taken to live so long: clocks differ.
const SHORTEST: Duration = Duration::from_secs(5);
/// A token of longer life is renewed after a part of this.
const LONGEST: Duration = Duration::from_hours(24);

const PAYLOAD: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The claims that are read, in seconds since 1970 (RFC 7519 §2, `NumericDate`: fractions are
/// allowed).
#[derive(Default, Deserialize)]
struct Claims {
    exp: Option<f64>,
    iat: Option<f64>,
}

/// The life of this token from `now` on. With `iat` it is `exp - iat`, whatever the manager's clock
/// says.
pub(super) fn life(token: &str, now: SystemTime) -> Duration {
    let Claims { exp, iat } = claims(token).unwrap_or_default();
    let Some(end) = exp else { return USUAL };
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = end - iat.unwrap_or(now.as_secs_f64());
    // Neither infinite nor negative.
    let life = Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(LONGEST);
    life.clamp(SHORTEST, LONGEST)
}

fn claims(token: &str) -> Option<Claims> {
    let mut parts = token.split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    serde_json::from_slice(&PAYLOAD.decode(payload).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn token(claims: &str) -> String {
        format!("e30.{}.sig", PAYLOAD.encode(claims))
    }

    #[test]
    fn a_token_says_how_long_it_lives() {
        let now = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let hour = Duration::from_hours(1);
        for (claims, expected) in [
            (r#"{"exp":1700003600}"#, hour),
            (
                r#"{"exp":1700003600.5,"sub":"a","aud":["x"]}"#,
                hour + Duration::from_millis(500),
            ),
            // Its clock is a day behind ours.
            (r#"{"iat":1699913600,"exp":1699917200}"#, hour),
            (r#"{"exp":1}"#, SHORTEST),
            (r#"{"exp":-1e300}"#, SHORTEST),
            (r#"{"exp":1e300}"#, LONGEST),
            (r#"{"exp":99999999999}"#, LONGEST),
            (r#"{"exp":"soon"}"#, USUAL),
            (r"{}", USUAL),
            ("no JSON", USUAL),
        ] {
            assert_eq!(life(&token(claims), now), expected, "{claims}");
        }
        for other in ["", "abc", "a.b", "a.!.c", "...."] {
            assert_eq!(life(other, now), USUAL, "{other}");
        }
    }

    proptest! {
        #[test]
        fn any_token_has_a_life(text in ".{0,80}", claims in ".{0,80}") {
            for token in [text, token(&claims)] {
                let life = life(&token, SystemTime::now());
                prop_assert!((SHORTEST..=LONGEST).contains(&life) || life == USUAL);
            }
        }
    }
}
