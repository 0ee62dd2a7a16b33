//! Names of kernel objects, all derived from the instance's name (decision 11), and the numbers
//! that mark what is ours.

/// Longest name of a link.
const LINK: usize = 15;
/// What an instance's name may take of a link's name.
const STEM: usize = 8;

/// The names of one instance.
#[derive(Clone, Debug)]
pub(crate) struct Naming {
    instance: String,
    stem: String,
}

impl Naming {
    pub(crate) fn new(instance: &str) -> Self {
        Self {
            instance: instance.to_owned(),
            stem: stem(instance),
        }
    }

    /// The nf_tables table.
    pub(crate) fn table(&self) -> &str {
        &self.instance
    }

    /// The link of the network `bridge`.
    pub(crate) fn default_bridge(&self) -> String {
        if self.instance.len() < LINK {
            format!("{}0", self.instance)
        } else {
            format!("{}0", self.stem)
        }
    }

    /// The link of a user-defined network.
    pub(crate) fn bridge(&self, id: &str) -> String {
        cut(format!("{}-{:.12}", self.stem, id))
    }

    /// The host's end of a container's link; `unique` is hex digits.
    pub(crate) fn veth(&self, unique: &str) -> String {
        cut(format!("{}v{unique:.12}", self.stem))
    }

    /// The host's end of a pod's link; `unique` is hex digits.
    pub(crate) fn pod(&self, unique: &str) -> String {
        cut(format!("{}{unique:.12}", self.pods()))
    }

    /// What the names of the host's ends of pods' links begin with, and no other link's: there is
    /// no underscore in the name of an instance.
    pub(crate) fn pods(&self) -> String {
        format!("{}_", self.stem)
    }

    /// The link that the addresses of services are routed to.
    pub(crate) fn services(&self) -> String {
        if self.instance.len() + 3 <= LINK {
            format!("{}svc", self.instance)
        } else {
            format!("{}svc", self.stem)
        }
    }

    /// The group that all our links are in. It tells our links from everybody else's, whatever
    /// they are called, and lets the kernel take all of them away in one go.
    pub(crate) fn group(&self) -> u32 {
        fnv(&self.instance) | 1 << 30
    }

    /// The group of links that are about to go.
    pub(crate) fn dead_group(&self) -> u32 {
        self.group() ^ 1 << 31
    }

    /// The comment of rules that we put into other people's chains.
    pub(crate) fn comment(&self, link: &str) -> String {
        format!("{}: {link}", self.instance)
    }

    /// What a comment by [`Self::comment`] begins with.
    pub(crate) fn comment_mark(&self) -> String {
        format!("{}: ", self.instance)
    }
}

fn cut(mut name: String) -> String {
    name.truncate(LINK);
    name
}

/// The instance's name, or the beginning of it and a hash where it is too long to be told apart.
fn stem(instance: &str) -> String {
    if instance.len() <= STEM {
        return instance.to_owned();
    }
    let head: String = instance.chars().filter(char::is_ascii).take(3).collect();
    format!("{head}{:05x}", fnv(instance) & 0xf_ffff)
}

fn fnv(text: &str) -> u32 {
    let step = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    text.bytes().fold(0x811c_9dc5, step) & 0x3fff_ffff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_and_differ() {
        let id = "0123456789abcdef0123";
        let naming = Naming::new("gantry");
        assert_eq!(naming.default_bridge(), "gantry0");
        assert_eq!(naming.bridge(id), "gantry-01234567");
        assert_eq!(naming.veth(id), "gantryv01234567");
        assert_eq!(naming.pod(id), "gantry_01234567");
        assert_eq!(naming.services(), "gantrysvc");
        let (a, b) = (
            Naming::new("a-very-long-name-1"),
            Naming::new("a-very-long-name-2"),
        );
        for (a, b) in [
            (a.default_bridge(), b.default_bridge()),
            (a.bridge(id), b.bridge(id)),
            (a.veth(id), b.veth(id)),
            (a.pod(id), b.pod(id)),
            (a.services(), b.services()),
        ] {
            assert!(a != b && a.len() <= LINK && b.len() <= LINK, "{a} {b}");
        }
        assert_ne!(a.group(), b.group());
        assert_ne!(a.group(), a.dead_group());
    }
}
