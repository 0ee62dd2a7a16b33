//! Whose connection over loopback: a user of this host who could do the same through docker's socket.

use std::path::PathBuf;

use tokio::task::spawn_blocking;

use super::Ends;

/// The files that say who is in which group.
#[derive(Clone, Debug)]
pub struct Owners {
    /// The group whose members may do everything (docker's socket belongs to it).
    pub group: Option<u32>,
    /// passwd(5).
    pub passwd: PathBuf,
    /// group(5).
    pub groups: PathBuf,
}

impl Default for Owners {
    /// Root alone.
    fn default() -> Self {
        Self {
            group: None,
            passwd: "/etc/passwd".into(),
            groups: "/etc/group".into(),
        }
    }
}

impl Owners {
    /// Whether the client's end belongs to root or to a member of the group.
    pub(crate) async fn own(&self, ends: &Ends) -> bool {
        if let Some(vouched) = ends.vouched.get() {
            return *vouched;
        }
        let (owners, ends) = (self.clone(), ends.clone());
        spawn_blocking(move || owners.ask(&ends)).await.unwrap_or(false)
    }

    /// Which user of this host the client's end belongs to, if that can be told.
    pub(crate) async fn user(&self, ends: &Ends) -> Option<u32> {
        let (client, server) = (ends.client, ends.server);
        let asked = spawn_blocking(move || sys::inet_diag::owner(client, server));
        asked.await.ok()?.ok()?
    }

    fn ask(&self, ends: &Ends) -> bool {
        let vouched = match sys::inet_diag::owner(ends.client, ends.server) {
            Ok(Some(0)) => true,
            Ok(Some(user)) => self.group.is_some_and(|group| self.is_member(user, group)),
            Ok(None) => return false,
            Err(error) => {
                tracing::warn!(%error, "whose a connection is cannot be told: it may pull only");
                return false;
            }
        };
        *ends.vouched.get_or_init(|| vouched)
    }

    fn is_member(&self, user: u32, group: u32) -> bool {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        is_member(&read(&self.passwd), &read(&self.groups), user, group)
    }
}

/// Whether a user has a group as the first one, or is listed with it.
fn is_member(passwd: &str, groups: &str, user: u32, group: u32) -> bool {
    let users = passwd.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let (id, first) = (
            fields.nth(1)?.parse::<u32>().ok()?,
            fields.next()?.parse::<u32>().ok()?,
        );
        (id == user).then_some((name, first))
    });
    let members: Vec<&str> = groups
        .lines()
        .filter_map(|line| listed(line, group))
        .flatten()
        .collect();
    let mut users = users;
    users.any(|(name, first)| first == group || members.contains(&name))
}

fn listed(line: &str, group: u32) -> Option<impl Iterator<Item = &str>> {
    let mut fields = line.split(':').skip(2);
    let id: u32 = fields.next()?.parse().ok()?;
    (id == group).then(|| {
        fields
            .next()
            .unwrap_or_default()
            .split(',')
            .filter(|name| !name.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_listed_or_have_the_group_first() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nann:x:1000:1000::/:\nbob:x:1001:999::/:\nannex:x:1002:1002::/:\nbad\n";
        let groups = "root:x:0:\ndocker:x:999:carl,ann\nother:x:998:annex\nempty:x:997:\nbad:x\n";
        for (user, group, expected) in [
            (1000, 999, true),
            (1001, 999, true),
            (1002, 999, false),
            (1002, 998, true),
            (1000, 997, false),
            (4242, 999, false),
        ] {
            assert_eq!(
                is_member(passwd, groups, user, group),
                expected,
                "{user} in {group}"
            );
        }
    }
}
