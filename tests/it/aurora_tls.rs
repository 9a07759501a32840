//! The client over TLS: its own authority, and servers that nobody vouches for.

use crate::aurora_client::recording;
use firstlight::aurora::api::Commit;
use firstlight::aurora::client::{Client, ClientError, ClientOptions, Credentials, Login, Sent, Trust};
use firstlight::aurora::secret::Secret;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer};

/// An authority, and a certificate of it for this name.
fn certificates(name: &str) -> (String, ServerConfig) {
    let authority_key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.clone().self_signed(&authority_key).unwrap();
    let issuer = Issuer::new(params, authority_key);
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
        .unwrap();
    (authority.pem(), config)
}

/// Answers every request with a recording; gives the requests.
async fn serve(config: ServerConfig, answer: Vec<u8>) -> (u16, Arc<tokio::sync::Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen = Arc::new(tokio::sync::Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = vec![0; 64 * 1024];
            let mut count = 0;
            // Head and body of these small requests come together or right after each other.
            while !String::from_utf8_lossy(&request[..count]).contains(']') {
                match stream.read(&mut request[count..]).await {
                    Ok(0) | Err(_) => break,
                    Ok(more) => count += more,
                }
            }
            log.lock().await.push(String::from_utf8_lossy(&request[..count]).into_owned());
            drop(stream.write_all(&answer).await);
            drop(stream.shutdown().await);
        }
    });
    (port, seen)
}

fn options(trust: Trust) -> ClientOptions {
    let login = Login { user: "root".to_owned(), password: Secret::new("hunter2".to_owned()) };
    ClientOptions {
        trust,
        credentials: Credentials::Basic(login),
        connect_timeout: Duration::from_secs(5),
        read_timeout: Duration::from_secs(5),
        ..ClientOptions::default()
    }
}

#[tokio::test]
async fn a_proxy_with_a_certificate_of_the_own_authority_is_talked_to() {
    let (authority, config) = certificates("localhost");
    let (port, seen) = serve(config, recording("401-basic-root-listBackups.json")).await;
    let trust = Trust::Authorities(authority.into_bytes());
    let client = Client::new(&format!("https://localhost:{port}/west"), options(trust)).unwrap();
    client.list_backups().await.unwrap();
    let seen = seen.lock().await;
    assert!(seen[0].starts_with("POST /west/api HTTP/1.1\r\n") && seen[0].contains("cm9vdDpodW50ZXIy"), "{}", seen[0]);
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_gets_nothing() {
    let (other, _) = certificates("localhost");
    let (_, config) = certificates("localhost");
    let (port, seen) = serve(config, recording("040-listBackups.json")).await;
    let client =
        Client::new(&format!("https://localhost:{port}"), options(Trust::Authorities(other.into_bytes()))).unwrap();
    let error = client.list_backups().await.unwrap_err();
    assert!(matches!(&error, ClientError::Connect { why, .. } if why.contains("certificate")), "{error:?}");
    assert_eq!(error.sent(), Sent::No);
    assert!(matches!(client.commit_recovery().await, Commit::NotCommitted { .. }));

    let (authority, config) = certificates("another.example");
    let (port, _) = serve(config, recording("040-listBackups.json")).await;
    let trust = Trust::Authorities(authority.into_bytes());
    let client = Client::new(&format!("https://localhost:{port}"), options(trust)).unwrap();
    assert!(matches!(client.list_backups().await, Err(ClientError::Connect { .. })));
    assert!(seen.lock().await.is_empty());
}

#[test]
fn a_file_without_authorities_is_said() {
    for (pem, said) in
        [("", "holds no certificate"), ("-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n", "PEM")]
    {
        let error = Client::new("https://localhost", options(Trust::Authorities(pem.as_bytes().to_vec()))).unwrap_err();
        assert!(error.to_string().contains(said), "{pem:?}: {error}");
    }
}
