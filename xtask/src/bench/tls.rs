//! A TLS front with a certificate chain like that of DynamoDB: an RSA root, an intermediate and a
//! leaf for `localhost`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_RSA_SHA256, RsaKeySize,
};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::{ServerConfig, version::TLS13};

/// The places where distributions keep the trusted roots, in one file.
const BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
/// The number of roots of Amazon Trust Services.
const AMAZON_ROOTS: usize = 5;
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";

pub(crate) struct Tls {
    pub(crate) acceptor: TlsAcceptor,
    /// A file with the root of the front and all roots that the system trusts.
    pub(crate) system_roots: Roots,
    /// A file with the root of the front and as many others as Amazon has.
    pub(crate) few_roots: Roots,
}

pub(crate) struct Roots {
    pub(crate) file: PathBuf,
    pub(crate) number: usize,
}

impl Tls {
    /// Makes the certificates, and writes the files of roots into the folder.
    pub(crate) fn new(folder: &Path) -> Result<Self> {
        let root = authority("benchmark root");
        let key = rsa_key()?;
        let root_pem = root.self_signed(&key)?.pem();
        let root = Issuer::new(root, key);

        let intermediate = authority("benchmark intermediate");
        let key = rsa_key()?;
        let intermediate_der = intermediate.signed_by(&key, &root)?.der().clone();
        let intermediate = Issuer::new(intermediate, key);

        let leaf = CertificateParams::new(["localhost".to_owned()])?;
        let key = rsa_key()?;
        let leaf_der = leaf.signed_by(&key, &intermediate)?.der().clone();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&TLS13])?
            .with_no_client_auth()
            .with_single_cert(vec![leaf_der, intermediate_der], key)?;

        let bundle = BUNDLES
            .iter()
            .find_map(|file| std::fs::read_to_string(file).ok());
        let bundle = bundle
            .context("the system's roots were not found in one file: install ca-certificates")?;
        let system: Vec<&str> = certificates(&bundle).collect();
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            system_roots: roots(&folder.join("system-roots.pem"), &system, &root_pem)?,
            few_roots: roots(
                &folder.join("few-roots.pem"),
                &system[..AMAZON_ROOTS.min(system.len())],
                &root_pem,
            )?,
        })
    }
}

fn roots(file: &Path, others: &[&str], own: &str) -> Result<Roots> {
    std::fs::write(file, format!("{}{own}", others.concat()))?;
    Ok(Roots {
        file: file.to_owned(),
        number: others.len() + 1,
    })
}

/// Returns the certificates of a bundle, each with its end of line.
fn certificates(bundle: &str) -> impl Iterator<Item = &str> {
    let starts: Vec<_> = bundle
        .match_indices(CERTIFICATE)
        .map(|(at, _)| at)
        .collect();
    let ends: Vec<_> = starts
        .iter()
        .skip(1)
        .copied()
        .chain([bundle.len()])
        .collect();
    starts
        .into_iter()
        .zip(ends)
        .map(|(start, end)| &bundle[start..end])
}

fn authority(name: &str) -> CertificateParams {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    authority.distinguished_name.push(DnType::CommonName, name);
    authority
}

fn rsa_key() -> Result<KeyPair> {
    Ok(KeyPair::generate_rsa_for(
        &PKCS_RSA_SHA256,
        RsaKeySize::_2048,
    )?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_of_a_bundle_are_separated() {
        let bundle = format!("# one\n{CERTIFICATE}\na\n{CERTIFICATE}\nb\n");
        let found: Vec<_> = certificates(&bundle).collect();
        assert_eq!(
            found,
            [format!("{CERTIFICATE}\na\n"), format!("{CERTIFICATE}\nb\n")]
        );
    }
}
