//! All keys and certificates of a server, as files in one directory.
//!
//! The names are kubeadm's, so that people find what they look for. What is missing is made, what is
//! about to expire or lacks a name is made anew, what is there stays. Each file is written beside its
//! name, synced and renamed, and the directory is synced last: a crash leaves old or new, never half.
//! A pair whose halves are of two crashes does not fit together ([`Leaf::from_pem`] checks), and is made anew.

use std::io;
use std::time::{Duration, SystemTime};

use driver::Dir;

use crate::leaf::{Leaf, Profile, SubjectName, Usage};
use crate::{Authority, Error, TokenKey, YEAR};

/// File of the certificates of the authorities that clients' certificates come from.
pub const CLIENT_CA: &str = "ca.crt";

/// File of the API server's own certificate.
pub const SERVING_CERTIFICATE: &str = "apiserver.crt";

/// A certificate with less time left than this is made anew.
const RENEW_BEFORE: Duration = Duration::from_secs(90 * 24 * 3600);

/// A key or certificate longer than this is not read, in bytes.
const MAX_FILE: usize = 64 << 10;

/// What the serving certificate shall name.
#[derive(Clone, Debug, Default)]
pub struct Names(Vec<SubjectName>);

impl Names {
    /// The names every API server has in its cluster: `kubernetes`, `kubernetes.default`, … with the
    /// cluster's domain, `localhost` and the loopback addresses.
    pub fn of_cluster(domain: &str) -> Self {
        let mut names = Self(Vec::new());
        for name in [
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "localhost",
            "127.0.0.1",
            "::1",
        ] {
            names.add(name);
        }
        names.add(&format!("kubernetes.default.svc.{domain}"));
        names
    }

    /// One more name, or address.
    pub fn add(&mut self, name: &str) -> &mut Self {
        let name = SubjectName::from(name);
        if !self.0.contains(&name) {
            self.0.push(name);
        }
        self
    }
}

/// The keys and certificates of a server.
#[derive(Debug)]
pub struct Bundle {
    /// Signs clients' and servers' certificates (`ca`)
    pub ca: Authority,
    /// Signs the certificate by which the API server speaks to extension API servers (`front-proxy-ca`)
    pub front_proxy_ca: Authority,
    /// Signs ServiceAccount tokens (`sa`)
    pub tokens: TokenKey,
    /// The API server's own certificate (`apiserver`)
    pub serving: Leaf,
    /// By which the API server speaks to kubelets (`apiserver-kubelet-client`)
    pub kubelet_client: Leaf,
    /// By which it speaks to extension API servers (`front-proxy-client`)
    pub front_proxy_client: Leaf,
    /// The administrator, in group `system:masters` (`admin`): for the kubeconfig
    pub admin: Leaf,
}

impl Bundle {
    /// Reads what the directory has and makes what it lacks.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Invalid`] for an authority or a token key that cannot be read: those are never
    /// made anew by themselves, because all that they have signed would be void.
    pub fn open(dir: &dyn Dir, names: &Names, now: SystemTime) -> Result<Self, Error> {
        let mut files = Files::new(dir, now);
        let ca = files.authority("ca", "kubernetes-ca")?;
        let front_proxy_ca = files.authority("front-proxy-ca", "front-proxy-ca")?;
        let tokens = files.tokens()?;
        let serving = Profile {
            names: &names.0,
            ..profile("kube-apiserver", &[], Usage::Server)
        };
        let client = |name, groups| profile(name, groups, Usage::Client);
        let bundle = Self {
            serving: files.leaf("apiserver", &ca, &serving)?,
            kubelet_client: files.leaf(
                "apiserver-kubelet-client",
                &ca,
                &client("kube-apiserver-kubelet-client", &["system:masters"]),
            )?,
            front_proxy_client: files.leaf(
                "front-proxy-client",
                &front_proxy_ca,
                &client("front-proxy-client", &[]),
            )?,
            admin: files.leaf("admin", &ca, &client("kubernetes-admin", &["system:masters"]))?,
            ca,
            front_proxy_ca,
            tokens,
        };
        files.finish()?;
        Ok(bundle)
    }
}

fn profile<'a>(common_name: &'a str, organizations: &'a [&'a str], usage: Usage) -> Profile<'a> {
    Profile {
        common_name,
        organizations,
        names: &[],
        usage,
        validity: YEAR,
    }
}

/// The directory, and whether its names must be synced.
struct Files<'a> {
    dir: &'a dyn Dir,
    now: SystemTime,
    changed: bool,
}

impl<'a> Files<'a> {
    fn new(dir: &'a dyn Dir, now: SystemTime) -> Self {
        Self {
            dir,
            now,
            changed: false,
        }
    }

    fn authority(&mut self, name: &str, common_name: &str) -> Result<Authority, Error> {
        let (certificate, key) = (format!("{name}.crt"), format!("{name}.key"));
        if let (Some(certificate), Some(key)) = (self.read(&certificate)?, self.read(&key)?) {
            return Authority::from_pem(&certificate, &key);
        }
        let made = Authority::generate(common_name, self.now)?;
        self.write(&key, made.key_pem())?;
        self.write(&certificate, made.certificate_pem())?;
        Ok(made)
    }

    fn tokens(&mut self) -> Result<TokenKey, Error> {
        if let Some(pem) = self.read("sa.key")? {
            return TokenKey::from_pem(&pem);
        }
        let made = TokenKey::generate()?;
        self.write("sa.pub", made.public_pem())?;
        self.write("sa.key", made.private_pem())?;
        Ok(made)
    }

    fn leaf(&mut self, name: &str, authority: &Authority, profile: &Profile<'_>) -> Result<Leaf, Error> {
        let (certificate, key) = (format!("{name}.crt"), format!("{name}.key"));
        if let (Some(certificate), Some(key)) = (self.read(&certificate)?, self.read(&key)?)
            && let Ok(leaf) = Leaf::from_pem(&certificate, &key)
            && self.good(&leaf, authority, profile)
        {
            return Ok(leaf);
        }
        let made = authority.issue(profile, self.now)?;
        self.write(&key, made.key_pem())?;
        self.write(&certificate, made.certificate_pem())?;
        Ok(made)
    }

    fn good(&self, leaf: &Leaf, authority: &Authority, profile: &Profile<'_>) -> bool {
        let lasts = leaf.not_after().is_ok_and(|end| end > self.now + RENEW_BEFORE);
        lasts && leaf.names(profile.names) && authority.has_issued(leaf)
    }

    fn read(&self, name: &str) -> Result<Option<String>, Error> {
        let file = match self.dir.open(name) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(name)(error)),
        };
        let mut bytes = vec![0; MAX_FILE];
        let mut length = 0;
        while length < MAX_FILE {
            match file
                .read_at(&mut bytes[length..], length as u64)
                .map_err(failed(name))?
            {
                0 => break,
                more => length += more,
            }
        }
        bytes.truncate(length);
        String::from_utf8(bytes)
            .map(Some)
            .map_err(|error| Error::invalid(name, error))
    }

    /// Replaces a file; readable by its owner alone, as `driver`'s files are.
    fn write(&mut self, name: &str, text: &str) -> Result<(), Error> {
        let unfinished = format!("{name}.tmp");
        let write = || {
            match self.dir.remove(&unfinished) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let file = self.dir.create(&unfinished)?;
            file.write_at(text.as_bytes(), 0)?;
            file.sync_data()?;
            self.dir.rename(&unfinished, name)
        };
        write().map_err(failed(name))?;
        self.changed = true;
        Ok(())
    }

    fn finish(self) -> Result<(), Error> {
        if self.changed {
            self.dir.sync().map_err(failed("tls"))?;
        }
        Ok(())
    }
}

fn failed(name: &str) -> impl FnOnce(io::Error) -> Error + use<'_> {
    |source| Error::Io {
        file: name.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::UNIX_EPOCH;

    use driver::SimDisk;

    use super::*;
    use crate::{CertificateRequest, ClientAuthorities};

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }

    fn open(disk: &Arc<dyn Dir>, names: &[&str], at: SystemTime) -> Bundle {
        let mut all = Names::of_cluster("cluster.local");
        for name in names {
            all.add(name);
        }
        Bundle::open(&**disk, &all, at).unwrap()
    }

    #[test]
    fn what_was_made_is_found_again() {
        let disk = SimDisk::new().dir();
        let first = open(&disk, &["10.0.0.1"], now());
        let again = open(&disk, &["10.0.0.1"], now());
        assert_eq!(first.ca.certificate_pem(), again.ca.certificate_pem());
        assert_eq!(first.tokens.public_pem(), again.tokens.public_pem());
        assert_eq!(first.serving.certificate_pem(), again.serving.certificate_pem());
        assert_eq!(first.admin.key_pem(), again.admin.key_pem());
        assert!(disk.list().unwrap().iter().all(|name| !name.ends_with(".tmp")));
    }

    #[test]
    fn a_new_name_and_a_near_end_make_a_new_certificate_of_the_same_authority() {
        let disk = SimDisk::new().dir();
        let first = open(&disk, &[], now());
        let named = open(&disk, &["node.example"], now());
        assert_ne!(first.serving.certificate_pem(), named.serving.certificate_pem());
        assert_eq!(first.admin.certificate_pem(), named.admin.certificate_pem());
        let later = open(
            &disk,
            &["node.example"],
            now() + YEAR - Duration::from_secs(86_400),
        );
        assert_ne!(named.admin.certificate_pem(), later.admin.certificate_pem());
        assert_eq!(first.ca.certificate_pem(), later.ca.certificate_pem());
    }

    #[test]
    fn a_certificate_tells_its_user_until_it_ends() {
        let bundle = open(&SimDisk::new().dir(), &[], now());
        let authorities = ClientAuthorities::from_pem(bundle.ca.certificate_pem()).unwrap();
        let chain = [bundle.admin.certificate_der().to_vec()];
        let who = authorities.identify(&chain, now()).unwrap();
        assert_eq!(
            (who.user.as_str(), who.groups),
            ("kubernetes-admin", vec!["system:masters".to_owned()])
        );
        assert_eq!(who.fingerprint.len(), 64);
        assert!(authorities.identify(&chain, now()).is_ok());
        for wrong in [now() - YEAR, now() + YEAR + YEAR] {
            assert!(authorities.identify(&chain, wrong).is_err());
        }
        let serving = [bundle.serving.certificate_der().to_vec()];
        assert!(
            authorities.identify(&serving, now()).is_err(),
            "it is for servers"
        );
        let foreign = [bundle.front_proxy_client.certificate_der().to_vec()];
        assert!(
            authorities.identify(&foreign, now()).is_err(),
            "of another authority"
        );
        assert!(authorities.identify(&[vec![0x30, 0x03]], now()).is_err());
    }

    #[test]
    fn a_request_is_read_and_its_signature_checked() {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = crate::leaf::subject("system:node:n", &["system:nodes"]);
        params.subject_alt_names = vec![rcgen::SanType::DnsName("n".try_into().unwrap())];
        let request = params.serialize_request(&key).unwrap();
        let pem = request.pem().unwrap();
        let read = CertificateRequest::from_pem(pem.as_bytes()).unwrap();
        assert_eq!(read.common_name, "system:node:n");
        assert_eq!(read.organizations, ["system:nodes"]);
        assert_eq!(read.dns_names().collect::<Vec<_>>(), ["n"]);
        assert!(CertificateRequest::from_pem(b"nonsense").is_err());
        let bundle = open(&SimDisk::new().dir(), &[], now());
        assert!(CertificateRequest::from_pem(bundle.ca.certificate_pem().as_bytes()).is_err());
    }

    #[test]
    fn a_broken_authority_is_told_and_not_replaced() {
        let disk = SimDisk::new().dir();
        open(&disk, &[], now());
        let file = disk.open("ca.key").unwrap();
        file.write_at(b"garbage", 0).unwrap();
        let names = Names::of_cluster("cluster.local");
        assert!(matches!(
            Bundle::open(&*disk, &names, now()),
            Err(Error::Invalid { .. })
        ));
    }
}
