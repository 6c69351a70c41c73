//! TLS to a server, by rustls: versions 1.2 and 1.3, the certificate verified against whom this host trusts, or against
//! one certificate authority of the configuration's.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use crate::sys::named;

/// The most bytes of a file of certificates.
const LARGEST: u64 = 16 << 20;

/// What connections to one sink have in common.
#[derive(Clone, Debug)]
pub struct Tls(Arc<ClientConfig>);

impl Tls {
    /// Trusts the certificates in the PEM file `ca`, or this host's where there is none.
    ///
    /// Errors say what is wrong, for a person.
    pub fn new(ca: Option<&Path>) -> Result<Tls, String> {
        let mut roots = RootCertStore::empty();
        match ca {
            Some(path) => {
                let bad = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
                let text = named::read(path, LARGEST).map_err(|error| bad(&error))?;
                for certificate in CertificateDer::pem_slice_iter(&text) {
                    roots.add(certificate.map_err(|error| bad(&error))?).map_err(|error| bad(&error))?;
                }
                if roots.is_empty() {
                    return Err(bad(&"there is no certificate in it"));
                }
            }
            None => {
                // The library would read whatever it names to the end.
                if let Some(file) = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from) {
                    match named::read(&file, LARGEST) {
                        Err(error) if error.kind() == std::io::ErrorKind::InvalidInput => {
                            return Err(format!("SSL_CERT_FILE: {}: {error}", file.display()));
                        }
                        // Without it there may be a folder of certificates.
                        Ok(_) | Err(_) => {}
                    }
                }
                let found = rustls_native_certs::load_native_certs();
                roots.add_parsable_certificates(found.certs);
                if roots.is_empty() {
                    return Err(
                        "this host trusts nobody: install ca-certificates, or set the transport's ca".to_owned()
                    );
                }
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = versions.map_err(|error| error.to_string())?.with_root_certificates(roots).with_no_client_auth();
        Ok(Tls(Arc::new(config)))
    }

    /// A connection to a server that must prove to be `name`, a host's name or address.
    pub fn connection(&self, name: &str) -> Result<ClientConnection, String> {
        let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        let name = ServerName::try_from(bare.to_owned()).map_err(|_| format!("{name:?} is no name of a TLS server"))?;
        ClientConnection::new(Arc::clone(&self.0), name).map_err(|error| error.to_string())
    }
}
