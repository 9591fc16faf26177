//! The mistakes that are made most with URLs, each told from a server's fault.

use tokio::time::timeout;

use crate::{
    Error, Role,
    answer::Exchange,
    clients::rfc,
    play::{Environment, Visit},
    target::Manager,
    tls::any_certificate,
    transcript::Step,
    url::Url,
    wire::Wire,
};

/// Whether a plain port was expected where TLS is spoken, by the first answer.
pub(crate) async fn scheme(
    wire: &Wire,
    base: &Url,
    first: &Result<Manager, String>,
) -> Option<String> {
    if base.secure || matches!(first, Ok(Manager::V1 | Manager::V2)) {
        return None;
    }
    let secure = Url {
        secure: true,
        ..base.clone()
    };
    let any = Wire {
        tls: any_certificate().ok(),
        ..wire.clone()
    };
    let tls = timeout(wire.patience, any.connect(&secure)).await;
    let speaks = matches!(tls, Ok(Ok(_)));
    speaks.then(|| format!("this port speaks TLS: write https://{}", base.authority))
}

/// Whether anything here takes offers; one is sent for each of WHIP and WHEP.
///
/// # Errors
/// Nothing does.
pub(crate) async fn endpoint(
    environment: &Environment<'_>,
    role: Role,
    stream: &str,
) -> Result<(), Error> {
    let mut refusals = Vec::new();
    for client in [&rfc::WHIP, &rfc::WHEP] {
        if role == Role::Play && client.role == Role::Publish {
            continue;
        }
        let mut visit = Visit::new(environment, client, stream);
        visit.begin().await;
        visit.end().await;
        // With --only-read a 404 can mean that the stream is not live.
        match visit.transcript.came(Step::Post) {
            Some(Exchange::Answer(answer))
                if matches!(answer.status, 405 | 501)
                    || (answer.status == 404 && role == Role::Publish) =>
            {
                let path = visit.transcript.endpoint.path.clone();
                refusals.push(format!("POST {path}: {}", answer.status));
            }
            _ => return Ok(()),
        }
    }
    Err(Error::NoEndpoint(refusals.join(", ")))
}
