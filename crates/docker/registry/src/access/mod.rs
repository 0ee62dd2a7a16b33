//! Who may do what (decision 12).
//!
//! Over loopback anybody may pull, and whoever made the connection as root or as a member of the docker socket's group may
//! do everything; all others show credentials: a name and a password of the htpasswd file, judged by the rules, or a
//! token, which says itself what its bearer may do. Deciding is in [`rules`]; this file finds out who somebody is.

mod htpasswd;
mod owner;
mod rules;
mod token;

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use driver::Clock;
use http::header::{AUTHORIZATION, ORIGIN, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue};

use crate::error::{Code, Fault};
use crate::route::Right;

pub use htpasswd::{Htpasswd, InvalidHtpasswd};
pub use owner::Owners;
pub(crate) use rules::Verdict;
pub use rules::{InvalidRule, Rule, Rules};
pub use token::{InvalidKeys, Keys, TokenService};

use htpasswd::Checked;
use token::Grant;

/// How clients are told apart.
#[derive(Clone)]
pub struct Access {
    /// Whose connections over loopback may do everything.
    pub owners: Owners,
    /// Names with passwords.
    pub users: Option<Arc<Htpasswd>>,
    /// Who issues tokens.
    pub tokens: Option<Arc<TokenService>>,
    /// What users may do.
    pub rules: Rules,
    /// Whether anybody may pull over loopback.
    pub anonymous_pull: bool,
    /// What else than `localhost`, an address or a name without dots clients over loopback may call the registry: a browser
    /// that some page has led here by its own name in DNS calls it by that.
    pub names: Vec<String>,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access")
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}

/// The two ends of a client's connection.
#[derive(Clone, Debug)]
pub struct Ends {
    /// The client's address.
    pub client: SocketAddr,
    /// The registry's.
    pub server: SocketAddr,
    /// Whether it belongs to somebody who may do everything, once that was asked: a socket's owner does not change.
    pub vouched: Arc<OnceLock<bool>>,
}

impl Ends {
    pub(crate) fn are_loopback(&self) -> bool {
        self.client.ip().to_canonical().is_loopback()
    }
}

/// Who asks, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Who {
    /// The name of the user, or of the token's subject.
    pub(crate) user: Option<String>,
    /// What a token grants.
    grants: Option<Vec<Grant>>,
    loopback: bool,
    /// Whether what is asked for is not for everybody.
    private: bool,
    /// Whether this host's users vouch for the connection; none is not asked yet.
    owner: Option<bool>,
}

impl Who {
    /// Says whether what is asked for is not for everybody.
    pub(crate) const fn be_private(&mut self, private: bool) {
        self.private = private;
    }
}

impl Access {
    /// Who asks. Whose connection it is, is asked only for what needs it ([`Self::judge`]).
    ///
    /// # Errors
    /// `UNAUTHORIZED` for credentials that are wrong, `TOOMANYREQUESTS` when too many are being checked.
    pub(crate) async fn identify(
        &self,
        headers: &HeaderMap,
        mut hosts: impl Iterator<Item = &str>,
        ends: &Ends,
        clock: &dyn Clock,
    ) -> Result<Who, Fault> {
        let mut who = Who {
            // Under a stranger's name it is as if the client came from elsewhere.
            loopback: ends.are_loopback() && hosts.all(|host| self.is_called(host)),
            // A page in a browser acts for whoever looks at it: that somebody is root does not make the page's author so.
            owner: headers.contains_key(ORIGIN).then_some(false),
            ..Who::default()
        };
        let Some(shown) = headers.get(AUTHORIZATION) else {
            return Ok(who);
        };
        let shown = shown.to_str().unwrap_or_default();
        let (scheme, credentials) = shown.split_once(' ').unwrap_or((shown, ""));
        match (scheme.to_ascii_lowercase().as_str(), &self.users, &self.tokens) {
            ("basic", Some(users), _) => {
                who.user = Some(self.user(users, credentials, ends).await?);
            }
            ("bearer", _, Some(tokens)) => {
                let claims = tokens.verify(credentials.trim(), clock.wall());
                let claims = claims.map_err(|error| self.unauthorized(None).detail(error.to_string()))?;
                who.user = Some(claims.subject);
                who.grants = Some(claims.grants);
            }
            // Nobody here can judge them, and a stale line in a client's configuration takes nothing from what all may.
            _ => {}
        }
        Ok(who)
    }

    /// Whether a `Host` is a name of this registry that no stranger can have given it.
    fn is_called(&self, host: &str) -> bool {
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => host,
        };
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let is_address = name.starts_with('[') || name.parse::<IpAddr>().is_ok();
        is_address
            || !name.contains('.') && !name.is_empty()
            || name.ends_with(".localhost")
            || self.names.iter().any(|known| known.eq_ignore_ascii_case(&name))
    }

    /// What few passwords are checked for at once: a user of this host, or an address.
    async fn asker(&self, ends: &Ends) -> String {
        let address = ends.client.ip().to_canonical();
        match address {
            _ if address.is_loopback() => format!("user {:?}", self.owners.user(ends).await),
            IpAddr::V4(address) => address.to_string(),
            // A network is somebody's, with all its addresses.
            IpAddr::V6(address) => format!("{:?}", &address.segments()[..4]),
        }
    }

    async fn user(&self, users: &Arc<Htpasswd>, credentials: &str, ends: &Ends) -> Result<String, Fault> {
        let wrong = || self.unauthorized(None);
        let text = STANDARD.decode(credentials.trim()).map_err(|_| wrong())?;
        let text = String::from_utf8(text).map_err(|_| wrong())?;
        let (name, password) = text.split_once(':').ok_or_else(wrong)?;
        let asker = self.asker(ends);
        match users.check(name, password, asker).await {
            Checked::Right => Ok(name.to_owned()),
            Checked::Wrong => Err(wrong()),
            Checked::Busy => Err(Fault::from(Code::TooManyRequests)
                .header(http::header::RETRY_AFTER, HeaderValue::from_static("1"))),
        }
    }

    /// Whether somebody may do something to a repository.
    ///
    /// # Errors
    /// `UNAUTHORIZED` with what to show, or `DENIED`.
    pub(crate) async fn judge(
        &self,
        who: &mut Who,
        ends: &Ends,
        repository: &str,
        right: Right,
    ) -> Result<(), Fault> {
        let mut verdict = self.verdict(who, repository, right);
        if verdict != Verdict::Allowed && who.loopback && who.owner.is_none() {
            who.owner = Some(self.owners.own(ends).await);
            verdict = self.verdict(who, repository, right);
        }
        match verdict {
            Verdict::Allowed => Ok(()),
            Verdict::Denied => Err(Code::Denied.into()),
            Verdict::Unknown => Err(self.unauthorized(Some((repository, right)))),
        }
    }

    /// Pure: what is known of somebody, to what that one may do.
    pub(crate) fn verdict(&self, who: &Who, repository: &str, right: Right) -> Verdict {
        let anonymous = who.loopback && self.anonymous_pull && right == Right::Pull && !who.private;
        if who.owner == Some(true) || anonymous {
            return Verdict::Allowed;
        }
        match (&who.grants, &who.user) {
            (Some(grants), _) if grants.iter().any(|grant| grant.covers(repository, right)) => {
                Verdict::Allowed
            }
            // A token for something else: its service may grant this, too.
            (Some(_), _) | (None, None) => Verdict::Unknown,
            (None, Some(user)) => self.rules.judge(user, repository, right),
        }
    }

    /// Whether somebody may do what is no repository's: be told that this is a registry, or clear it up.
    ///
    /// # Errors
    /// As [`Self::judge`].
    pub(crate) async fn judge_registry(&self, who: &mut Who, ends: &Ends, right: Right) -> Result<(), Fault> {
        let known = who.user.is_some() || who.loopback && self.anonymous_pull;
        if right == Right::Pull && known {
            return Ok(());
        }
        self.judge(who, ends, "*", right)
            .await
            .map_err(|fault| match right {
                Right::Pull => self.unauthorized(None),
                Right::Push | Right::Delete => fault,
            })
    }

    /// What to show in order to be let in. Also answers that succeed tell it: whoever may pull without asks with what in
    /// order to push.
    pub(crate) fn challenge(&self, scope: Option<(&str, Right)>) -> HeaderValue {
        let text = match (&self.tokens, &self.users) {
            (Some(tokens), _) => tokens.challenge(scope),
            (None, Some(_)) => "Basic realm=\"Gantry\"".to_owned(),
            (None, None) => {
                "Basic realm=\"Gantry: as root or a member of the docker socket's group, over loopback\""
                    .to_owned()
            }
        };
        HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("Basic realm=\"Gantry\""))
    }

    /// Whether there are credentials that anybody could show.
    pub(crate) fn has_credentials(&self) -> bool {
        self.users.is_some() || self.tokens.is_some()
    }

    fn unauthorized(&self, scope: Option<(&str, Right)>) -> Fault {
        let fault = Fault::from(Code::Unauthorized).header(WWW_AUTHENTICATE, self.challenge(scope));
        match scope {
            Some((name, right)) => fault.detail(serde_json::json!([{
                "Type": "repository", "Name": name, "Action": right.action(),
            }])),
            None => fault,
        }
    }
}

impl Right {
    /// As tokens name it.
    pub(crate) const fn action(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Delete => "delete",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(rules: &str) -> Access {
        Access {
            owners: Owners::default(),
            users: None,
            tokens: None,
            rules: Rules::parse(rules).unwrap(),
            anonymous_pull: true,
            names: vec!["registry.example".to_owned()],
        }
    }

    fn who(user: Option<&str>, loopback: bool, owner: Option<bool>) -> Who {
        Who {
            user: user.map(str::to_owned),
            grants: None,
            loopback,
            private: false,
            owner,
        }
    }

    #[test]
    fn loopback_pulls_owners_push_and_others_show_who_they_are() {
        use Right::{Delete, Pull, Push};
        use Verdict::{Allowed, Denied, Unknown};
        let access =
            access("[[rule]]\nusers = ['ann']\nrepositories = ['team/*']\nrights = ['pull', 'push']\n");
        for (who, repository, right, verdict) in [
            (who(None, true, None), "x", Pull, Allowed),
            (who(None, true, None), "x", Push, Unknown),
            (who(None, true, Some(false)), "x", Push, Unknown),
            (who(None, true, Some(true)), "x", Push, Allowed),
            (who(None, true, Some(true)), "x", Delete, Allowed),
            (who(None, false, None), "x", Pull, Unknown),
            (who(Some("ann"), false, None), "team/x", Push, Allowed),
            (who(Some("ann"), false, None), "team/x", Delete, Denied),
            (who(Some("ann"), false, None), "x", Pull, Denied),
            (who(Some("ann"), true, Some(false)), "x", Push, Denied),
            (who(Some("ann"), true, Some(true)), "x", Push, Allowed),
            (who(Some("bob"), false, None), "team/x", Pull, Denied),
        ] {
            assert_eq!(
                access.verdict(&who, repository, right),
                verdict,
                "{who:?} {repository} {right:?}"
            );
        }
    }

    #[test]
    fn strangers_names_are_not_ours() {
        let access = access("");
        for (host, expected) in [
            ("localhost:5000", true),
            ("LOCALHOST.", true),
            ("127.0.0.1:5000", true),
            ("[::1]:5000", true),
            ("::1", true),
            ("vm:5000", true),
            ("a.localhost", true),
            ("Registry.Example:5000", true),
            ("rebind.evil.com:5000", false),
            ("rebind.evil.com.", false),
            (".", false),
            ("127.0.0.1.evil.com", false),
            ("registry.example.evil.com", false),
        ] {
            assert_eq!(access.is_called(host), expected, "{host}");
        }
    }

    #[test]
    fn a_token_is_judged_by_what_it_grants() {
        let access = access("");
        let mut bearer = who(Some("ann"), false, None);
        bearer.grants = Some(vec![Grant::new("team/x", &["pull", "push"])]);
        assert_eq!(access.verdict(&bearer, "team/x", Right::Push), Verdict::Allowed);
        assert_eq!(access.verdict(&bearer, "team/x", Right::Delete), Verdict::Unknown);
        assert_eq!(access.verdict(&bearer, "team/y", Right::Pull), Verdict::Unknown);
    }
}
