//! What a TLS connection trusts.
//!
//! A server's certificate is always checked: against the roots of this machine, or against the authorities of one file in their place. There
//! is no way to leave the check out.

use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use std::sync::Arc;

/// Longest file of authorities: a machine's whole bundle has about 250 KB.
pub const CA_BYTES_MAX: usize = 4 << 20;

/// Whom to trust.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// The roots of this machine.
    #[default]
    Machine,
    /// Only these authorities, as PEM.
    Authorities(Vec<u8>),
}

/// The configuration for addresses of this scheme. Without TLS no root is loaded, and no certificate would be taken.
pub fn tls(https: bool, trust: &Trust) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    match trust {
        _ if !https => {}
        Trust::Machine => {
            let found = rustls_native_certs::load_native_certs();
            let why = found.errors.first().map_or_else(String::new, |error| format!(": {error}"));
            if roots.add_parsable_certificates(found.certs).0 == 0 {
                return Err(format!("this machine has no certificate authorities{why}"));
            }
        }
        Trust::Authorities(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate =
                    certificate.map_err(|error| format!("the file of authorities is not PEM: {error}"))?;
                roots.add(certificate).map_err(|error| format!("an authority of the file cannot be used: {error}"))?;
            }
            if roots.is_empty() {
                return Err("the file of authorities holds no certificate".to_owned());
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| error.to_string())?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// A client for addresses without TLS. reqwest wants a TLS configuration even so, and ends the program where none is given.
pub fn http_builder() -> Result<reqwest::ClientBuilder, String> {
    Ok(reqwest::Client::builder().tls_backend_preconfigured(tls(false, &Trust::Machine)?))
}
