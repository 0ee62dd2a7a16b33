//! The administrator's kubeconfig: where the API is, whom to trust, and the certificate of `system:masters`.

use std::fs;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pki::Bundle;

use crate::config::InstanceName;

/// The URL under which clients of this host reach a server that listens at `address`.
pub(crate) fn server(address: SocketAddr) -> String {
    let host = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => "127.0.0.1".to_owned(),
        IpAddr::V6(ip) if ip.is_unspecified() => "[::1]".to_owned(),
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    };
    format!("https://{host}:{}", address.port())
}

/// Writes it, readable by its owner alone, in one step.
///
/// # Errors
/// The file system's.
pub(crate) fn write(path: &Path, name: &InstanceName, server: &str, bundle: &Bundle) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut options = fs::OpenOptions::new();
    // What a crash may have left has a mode of its own.
    drop(fs::remove_file(&new));
    let mut file = options.write(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(text(name, server, bundle).as_bytes())?;
    fs::rename(&new, path)
}

fn text(name: &InstanceName, server: &str, bundle: &Bundle) -> String {
    let ca = STANDARD.encode(bundle.ca.certificate_pem());
    let certificate = STANDARD.encode(bundle.admin.certificate_pem());
    let key = STANDARD.encode(bundle.admin.key_pem());
    format!(
        "\
apiVersion: v1
kind: Config
clusters:
- name: {name}
  cluster:
    server: {server}
    certificate-authority-data: {ca}
users:
- name: {name}-admin
  user:
    client-certificate-data: {certificate}
    client-key-data: {key}
contexts:
- name: {name}
  context:
    cluster: {name}
    user: {name}-admin
current-context: {name}
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_reached_where_it_listens() {
        for (address, url) in [
            ("127.0.0.1:6443", "https://127.0.0.1:6443"),
            ("0.0.0.0:1", "https://127.0.0.1:1"),
            ("[::]:2", "https://[::1]:2"),
            ("[fd00::7]:3", "https://[fd00::7]:3"),
        ] {
            assert_eq!(server(address.parse().unwrap()), url);
        }
    }
}
