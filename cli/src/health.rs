//! `--health`: the answers to health checks, on the addresses that everybody uses.

use http::{Method, Request, Response};
use neap_smol::{Full, Handle};

use crate::reply;

/// The answer, if `request` is a health check.
pub(crate) fn answer<B, C: From<Full>>(
    server: &Handle,
    request: &Request<B>,
) -> Option<Response<C>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return None;
    }
    let mut response = server.health(request.uri().path())?.map(C::from);
    let (name, value) = reply::NO_SNIFFING;
    response.headers_mut().insert(name, value);
    Some(response)
}

#[cfg(test)]
mod tests {
    use neap_smol::Server;

    use super::*;

    #[test]
    fn only_health_checks_are_answered() {
        let server = Server::new();
        let handle = server.handle();
        let status = |method: &str, target: &str| {
            let request = Request::builder().method(method).uri(target).body(());
            let response = answer::<(), Full>(&handle, &request.unwrap())?;
            Some(response.status().as_u16())
        };
        for target in ["/livez", "/readyz", "/readyz?verbose"] {
            assert_eq!(status("GET", target), Some(200), "{target}");
            assert_eq!(status("HEAD", target), Some(200), "{target}");
            assert_eq!(status("POST", target), None, "{target}");
        }
        for target in ["/", "/livez/", "/healthz"] {
            assert_eq!(status("GET", target), None, "{target}");
        }
    }
}
