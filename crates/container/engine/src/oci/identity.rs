//! Who a container runs as: `USER[:GROUP]` and `--group-add` against the image's own files
//! (passwd(5), group(5)), with the rules and texts of `moby/sys/user`.

use std::collections::BTreeSet;

use crate::spec::ListedGroups;

/// Lines of a file that are looked at; what an image has beyond that is not read.
const MAX_LINES: usize = 65_536;

/// The image's `/etc/passwd` and `/etc/group`; a file that is absent is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserFiles {
    /// `/etc/passwd`.
    pub passwd: String,
    /// `/etc/group`.
    pub group: String,
}

/// A resolved user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// User id.
    pub uid: u32,
    /// Primary group.
    pub gid: u32,
    /// All groups, the primary one first.
    pub groups: Vec<u32>,
    /// Home directory; `/` for a user the image does not list.
    pub home: String,
}

/// A user or group that cannot be: texts of upstream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// A user's name that is not listed.
    #[error("unable to find user {0}: no matching entries in passwd file")]
    User(String),
    /// A group's name that is not listed.
    #[error("unable to find group {0}: no matching entries in group file")]
    Group(String),
    /// A `--group-add` that is not listed.
    #[error("Unable to find group {0}: no matching entries in group file")]
    Additional(String),
    /// A number that is no id.
    #[error("uids and gids must be in range 0-2147483647")]
    Range,
}

/// One line of `/etc/passwd`.
struct PasswdEntry<'a> {
    name: &'a str,
    uid: i64,
    gid: i64,
    home: &'a str,
}

/// One line of `/etc/group`.
struct GroupEntry<'a> {
    name: &'a str,
    gid: i64,
    members: &'a str,
}

impl UserFiles {
    fn users(&self) -> impl Iterator<Item = PasswdEntry<'_>> {
        lines(&self.passwd).map(|line| {
            let mut fields = line.split(':');
            let mut field = || fields.next().unwrap_or_default();
            let (name, _, uid, gid, _, home) = (field(), field(), field(), field(), field(), field());
            PasswdEntry {
                name,
                uid: number(uid),
                gid: number(gid),
                home,
            }
        })
    }

    fn groups(&self) -> impl Iterator<Item = GroupEntry<'_>> {
        lines(&self.group).map(|line| {
            let mut fields = line.split(':');
            let mut field = || fields.next().unwrap_or_default();
            let (name, _, gid, members) = (field(), field(), field(), field());
            GroupEntry {
                name,
                gid: number(gid),
                members,
            }
        })
    }
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .take(MAX_LINES)
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// A field that is no number is 0, as in upstream's parser.
fn number(field: &str) -> i64 {
    field.parse().unwrap_or(0)
}

/// Resolves `USER[:GROUP]` and additional groups, names or numbers. An empty user is root.
///
/// # Errors
/// A name the image does not list, or a number out of range.
pub(crate) fn resolve(
    user: &str,
    additional: &[String],
    listed: ListedGroups,
    files: &UserFiles,
) -> Result<User, IdentityError> {
    let (name, group) = user.split_once(':').unwrap_or((user, ""));
    let (mut found, matched) = find_user(name, files)?;
    let joins = match listed {
        ListedGroups::WithoutGroup => group.is_empty(),
        ListedGroups::Always => true,
        ListedGroups::Never => false,
    };
    if joins {
        found.groups = member_groups(matched.as_deref(), files)?;
    }
    if !group.is_empty() {
        found.gid = find_group(group, files).ok_or_else(|| IdentityError::Group(group.to_owned()))??;
    }
    found.groups.insert(0, found.gid);
    for name in additional {
        let gid = find_group(name, files).ok_or_else(|| IdentityError::Additional(name.clone()))??;
        found.groups.push(gid);
    }
    let mut seen = BTreeSet::new();
    found.groups.retain(|gid| seen.insert(*gid));
    Ok(found)
}

/// The user, and its name if it is listed. A number is always an id, never a name.
fn find_user(name: &str, files: &UserFiles) -> Result<(User, Option<String>), IdentityError> {
    let id = if name.is_empty() {
        Some(0)
    } else {
        name.parse::<i64>().ok()
    };
    let listed = files.users().find(|entry| match id {
        Some(id) => entry.uid == id,
        None => entry.name == name,
    });
    let user = |uid, gid, home: &str| {
        Ok(User {
            uid: in_range(uid)?,
            gid: in_range(gid)?,
            groups: Vec::new(),
            home: home.to_owned(),
        })
    };
    match (listed, id) {
        (Some(entry), _) => Ok((
            user(entry.uid, entry.gid, entry.home)?,
            Some(entry.name.to_owned()),
        )),
        (None, Some(id)) => Ok((user(id, 0, "/")?, None)),
        (None, None) => Err(IdentityError::User(name.to_owned())),
    }
}

/// Groups that list the user as a member.
fn member_groups(name: Option<&str>, files: &UserFiles) -> Result<Vec<u32>, IdentityError> {
    let Some(name) = name else {
        return Ok(Vec::new());
    };
    let listing = files
        .groups()
        .filter(|entry| entry.members.split(',').any(|member| member == name));
    listing.map(|entry| in_range(entry.gid)).collect()
}

/// A group by name or number; none if a name is not listed. A number is always an id, never a name: an image must not
/// say which group that is.
fn find_group(group: &str, files: &UserFiles) -> Option<Result<u32, IdentityError>> {
    let listed = || files.groups().find(|entry| entry.name == group);
    let id = group.parse::<i64>().ok();
    id.or_else(|| listed().map(|entry| entry.gid)).map(in_range)
}

fn in_range(id: i64) -> Result<u32, IdentityError> {
    i32::try_from(id)
        .ok()
        .and_then(|id| u32::try_from(id).ok())
        .ok_or(IdentityError::Range)
}

#[cfg(test)]
mod tests {
    use super::super::defaults::owned;
    use super::*;
    use proptest::prelude::*;

    fn files() -> UserFiles {
        UserFiles {
            passwd: "# accounts\nroot:x:0:0:root:/root:/bin/sh\n\nweb:x:33:33:web:/var/www:/bin/false\n1000:x:7:8::/odd:\nbroken\n".into(),
            group: "root:x:0:\nadm:x:4:root,web\nwww:x:33:\naudio:x:29:web\n2000:x:0:\n".into(),
        }
    }

    fn check(user: &str, groups: &[&str], expected: Result<(u32, u32, &[u32], &str), &str>) {
        let found = resolve(user, &owned(groups), ListedGroups::WithoutGroup, &files());
        let found = found
            .as_ref()
            .map(|user| (user.uid, user.gid, user.groups.as_slice(), user.home.as_str()));
        assert_eq!(
            found.map_err(ToString::to_string),
            expected.map_err(str::to_owned),
            "{user:?} {groups:?}"
        );
    }

    #[test]
    fn names_and_numbers_are_looked_up_in_the_image() {
        check("", &[], Ok((0, 0, &[0, 4], "/root")));
        check("root", &[], Ok((0, 0, &[0, 4], "/root")));
        check("0", &[], Ok((0, 0, &[0, 4], "/root")));
        check("web", &[], Ok((33, 33, &[33, 4, 29], "/var/www")));
        check("33", &[], Ok((33, 33, &[33, 4, 29], "/var/www")));
        check("web:adm", &[], Ok((33, 4, &[4], "/var/www")));
        check("web:29", &[], Ok((33, 29, &[29], "/var/www")));
        check("web:999", &[], Ok((33, 999, &[999], "/var/www")));
        check("4711", &[], Ok((4711, 0, &[0], "/")));
        check("4711:adm", &[], Ok((4711, 4, &[4], "/")));
        check(":adm", &[], Ok((0, 4, &[4], "/root")));
        check("1000", &[], Ok((1000, 0, &[0], "/")));
    }

    #[test]
    fn an_image_does_not_say_which_group_a_number_is() {
        check("4711:2000", &["2000"], Ok((4711, 2000, &[2000], "/")));
    }

    #[test]
    fn additional_groups_follow_and_none_is_there_twice() {
        check(
            "web",
            &["audio", "50"],
            Ok((33, 33, &[33, 4, 29, 50], "/var/www")),
        );
        check("root", &["root"], Ok((0, 0, &[0, 4], "/root")));
        check(
            "root",
            &["nobody"],
            Err("Unable to find group nobody: no matching entries in group file"),
        );
    }

    #[test]
    fn listed_groups_are_joined_as_asked() {
        let groups = |user: &str, listed| resolve(user, &owned(&["50"]), listed, &files()).unwrap().groups;
        assert_eq!(groups("33:4", ListedGroups::WithoutGroup), [4, 50]);
        assert_eq!(groups("33:7", ListedGroups::Always), [7, 4, 29, 50]);
        assert_eq!(groups("4711:7", ListedGroups::Always), [7, 50]);
        assert_eq!(groups("33", ListedGroups::Never), [33, 50]);
    }

    #[test]
    fn what_is_not_there_is_refused_in_upstream_s_words() {
        check(
            "nobody",
            &[],
            Err("unable to find user nobody: no matching entries in passwd file"),
        );
        check(
            "web:nogroup",
            &[],
            Err("unable to find group nogroup: no matching entries in group file"),
        );
        check("-1", &[], Err("uids and gids must be in range 0-2147483647"));
        check(
            "4294967295",
            &[],
            Err("uids and gids must be in range 0-2147483647"),
        );
        check(
            "root:4294967296",
            &[],
            Err("uids and gids must be in range 0-2147483647"),
        );
    }

    #[test]
    fn an_image_without_files_has_numbers_only() {
        let empty = UserFiles::default();
        let root = resolve("", &[], ListedGroups::WithoutGroup, &empty).unwrap();
        assert_eq!(
            (root.uid, root.gid, root.groups.as_slice(), root.home.as_str()),
            (0, 0, &[0][..], "/")
        );
        assert!(resolve("root", &[], ListedGroups::WithoutGroup, &empty).is_err());
    }

    proptest! {
        #[test]
        fn hostile_files_never_panic(passwd: String, group: String, user: String) {
            drop(resolve(&user, std::slice::from_ref(&user), ListedGroups::Always, &UserFiles { passwd, group }));
        }
    }
}
