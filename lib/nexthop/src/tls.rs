//! TLS as a client: whom to trust.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme,
};

/// Where systems keep the certificates that they trust; the first one that is there counts.
const BUNDLES: [&str; 3] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
];

/// Whether the server must prove its name.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Proof<'a> {
    /// No: whoever answers is spoken to.
    None,
    /// By a certificate that leads to one of these: those of the file, else the system's.
    Required(Option<&'a Path>),
}

/// The file of trusted certificates: the one that is set, else `variable` ($SSL_CERT_FILE), else
/// the first of `bundles` that is there.
fn roots_file(set: Option<&Path>, variable: Option<&OsStr>, bundles: &[&str]) -> Option<PathBuf> {
    let named = variable.filter(|value| !value.is_empty()).map(Path::new);
    set.or(named).map(Path::to_owned).or_else(|| {
        let mut bundles = bundles.iter().map(PathBuf::from);
        bundles.find(|path| path.exists())
    })
}

/// The certificates of `file`. Ones that do not parse are passed over: old bundles have them.
fn roots(file: &Path) -> Result<RootCertStore, String> {
    let shown = file.display();
    let certificates = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| format!("unable to read {shown}: {}", told(&error)))?;
    let mut store = RootCertStore::empty();
    let (added, _) = store.add_parsable_certificates(certificates);
    if added == 0 {
        return Err(format!("there is no certificate in {shown}"));
    }
    Ok(store)
}

fn told(error: &rustls::pki_types::pem::Error) -> String {
    match error {
        rustls::pki_types::pem::Error::Io(error) => os::reason(error).into_owned(),
        other => other.to_string(),
    }
}

/// A session with the server `host`, before its handshake. The error is a sentence.
pub(crate) fn session(host: &[u8], proof: Proof<'_>) -> Result<ClientConnection, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be used: {error}"))?;
    let mut config = match proof {
        Proof::None => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
            .with_no_client_auth(),
        Proof::Required(ca_file) => {
            let variable = std::env::var_os("SSL_CERT_FILE");
            let file = roots_file(ca_file, variable.as_deref(), &BUNDLES)
                .ok_or("there is no file of trusted certificates on this system")?;
            builder
                .with_root_certificates(roots(&file)?)
                .with_no_client_auth()
        }
    };
    // One connection a process: there is nothing to come back to.
    config.resumption = Resumption::disabled();
    let name = server_name(host)
        .ok_or_else(|| format!("{} can have no certificate", host.escape_ascii()))?;
    ClientConnection::new(Arc::new(config), name)
        .map_err(|error| format!("TLS cannot be used: {error}"))
}

fn server_name(host: &[u8]) -> Option<ServerName<'static>> {
    let text = std::str::from_utf8(host).ok()?;
    // Certificates have no dot at the end of a name.
    let text = text.strip_suffix('.').unwrap_or(text);
    ServerName::try_from(text.to_owned()).ok()
}

/// Takes any certificate and any signature: who must be spoken to whoever he is, proves nothing by
/// holding the key of the certificate that he has made himself.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_that_is_set_comes_before_the_variable_and_that_before_the_systems() {
        let set = Some(Path::new("/set"));
        let variable = Some(OsStr::new("/variable"));
        let bundles = ["/nonexistent/bundle", "/dev/null", "/"];
        let found = |set, variable| roots_file(set, variable, &bundles);
        assert_eq!(found(set, variable), Some("/set".into()));
        assert_eq!(found(None, variable), Some("/variable".into()));
        assert_eq!(found(None, Some(OsStr::new(""))), Some("/dev/null".into()));
        assert_eq!(found(None, None), Some("/dev/null".into()));
        assert_eq!(roots_file(None, None, &bundles[..1]), None);
    }

    #[test]
    fn a_file_without_certificates_is_told() {
        let error = session(b"h", Proof::Required(Some(Path::new("/dev/null"))));
        let error = error.expect_err("nobody is trusted");
        assert_eq!(error, "there is no certificate in /dev/null");
        let error = session(b"h", Proof::Required(Some(Path::new("/nonexistent/ca"))));
        let error = error.expect_err("nobody is trusted");
        assert_eq!(error, "unable to read /nonexistent/ca: file does not exist");
    }

    #[test]
    fn names_and_addresses_can_have_certificates() {
        for host in [
            "mx.test",
            "mx.test.",
            "192.0.2.1",
            "2001:db8::1",
            "a_b.test",
        ] {
            assert!(server_name(host.as_bytes()).is_some(), "{host}");
        }
        for host in ["", "a b", "b\u{fc}cher.test"] {
            assert!(server_name(host.as_bytes()).is_none(), "{host}");
        }
    }
}
