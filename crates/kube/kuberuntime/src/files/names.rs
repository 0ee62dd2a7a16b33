//! What a pod is called by itself and by others in its network.

use kubelet::Pod;

/// The longest name that the kernel keeps.
const MAX_KERNEL: usize = 64;

/// The longest label of a name.
const MAX_LABEL: usize = 63;

/// The names of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// `web-0`
    pub host: String,
    /// `web.default.svc.cluster.local`; empty without a subdomain.
    pub domain: String,
    /// The kernel has the full name too (`spec.setHostnameAsFQDN`).
    pub full_in_kernel: bool,
}

/// A pod whose full name is longer than the kernel keeps.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "failed to construct FQDN from pod hostname and cluster domain, FQDN {name} is too long \
     ({MAX_KERNEL} characters is the max, {} characters requested)",
    name.len()
)]
pub struct NamesError {
    name: String,
}

impl Names {
    /// The names of a pod in a cluster.
    ///
    /// # Errors
    /// [`NamesError`]
    pub fn of(pod: &Pod, cluster: &str) -> Result<Self, NamesError> {
        let spec = &pod.spec;
        if let Some(name) = &spec.hostname_override {
            return Ok(Self {
                host: name.clone(),
                domain: String::new(),
                full_in_kernel: false,
            });
        }
        let own = Some(&spec.hostname).filter(|name| !name.is_empty());
        let domain = match spec.subdomain.as_str() {
            "" => String::new(),
            subdomain => format!("{subdomain}.{}.svc.{cluster}", pod.namespace),
        };
        let names = Self {
            host: label(own.unwrap_or(&pod.name)),
            domain,
            full_in_kernel: spec.set_hostname_as_fqdn,
        };
        match names.of_kernel() {
            name if name.len() > MAX_KERNEL => Err(NamesError { name }),
            _ => Ok(names),
        }
    }

    /// `web-0.web.default.svc.cluster.local`, if the pod has such a name.
    pub fn full(&self) -> Option<String> {
        (!self.domain.is_empty()).then(|| format!("{}.{}", self.host, self.domain))
    }

    /// What the kernel is told (`hostname`).
    pub fn of_kernel(&self) -> String {
        let full = self.full().filter(|_| self.full_in_kernel);
        full.unwrap_or_else(|| self.host.clone())
    }
}

/// A pod's name may be longer than a label; what is cut off must not leave an end that no label has.
fn label(name: &str) -> String {
    let cut = name.get(..MAX_LABEL).unwrap_or(name);
    if name.len() > MAX_LABEL {
        cut.trim_end_matches(['-', '.']).to_owned()
    } else {
        name.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(name: &str, spec: &str) -> Result<Names, NamesError> {
        let json =
            format!(r#"{{"metadata": {{"name": "{name}", "namespace": "x", "uid": "u"}}, "spec": {spec}}}"#);
        Names::of(&Pod::parse(json.as_bytes()).unwrap(), "c.l")
    }

    #[test]
    fn names_follow_the_spec() {
        let cases = [
            ("{}", "web", None, "web"),
            (r#"{"hostname": "h"}"#, "h", None, "h"),
            (r#"{"subdomain": "s"}"#, "web", Some("web.s.x.svc.c.l"), "web"),
            (
                r#"{"hostname": "h", "subdomain": "s", "setHostnameAsFQDN": true}"#,
                "h",
                Some("h.s.x.svc.c.l"),
                "h.s.x.svc.c.l",
            ),
            (r#"{"setHostnameAsFQDN": true}"#, "web", None, "web"),
            (
                r#"{"hostnameOverride": "a.b", "subdomain": "s"}"#,
                "a.b",
                None,
                "a.b",
            ),
        ];
        for (spec, host, full, kernel) in cases {
            let names = names("web", spec).unwrap();
            assert_eq!(
                (&*names.host, names.full().as_deref(), &*names.of_kernel()),
                (host, full, kernel),
                "{spec}"
            );
        }
    }

    #[test]
    fn long_names_are_cut_or_refused() {
        let long = format!("{}-.{}", "a".repeat(61), "b".repeat(30));
        assert_eq!(names(&long, "{}").unwrap().host, "a".repeat(61));
        let spec = format!(
            r#"{{"setHostnameAsFQDN": true, "subdomain": "{}"}}"#,
            "s".repeat(60)
        );
        let error = names("web", &spec).unwrap_err().to_string();
        assert!(
            error.ends_with("is too long (64 characters is the max, 74 characters requested)"),
            "{error}"
        );
    }
}
