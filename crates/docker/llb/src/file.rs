//! `FileOp`: changes of files, one after the other.

use bytes::Bytes;

use crate::{Refused, pb};

/// Changes.
#[derive(Clone, Debug)]
pub struct File {
    /// What is done.
    pub actions: Vec<Action>,
}

/// A change.
#[derive(Clone, Debug)]
pub struct Action {
    /// What is changed.
    pub upon: Place,
    /// Where a copy comes from.
    pub from: Place,
    /// Which result it becomes.
    pub output: Option<usize>,
    /// What is done.
    pub work: Work,
}

/// Files that an action works with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// None.
    Empty,
    /// An input's.
    Input(usize),
    /// What an earlier action has made.
    Action(usize),
}

/// What is done. Times are in seconds since 1970; `None` is now, or the copied file's.
#[derive(Clone, Debug)]
pub enum Work {
    /// Copies.
    Copy(Copy),
    /// Writes a file.
    Mkfile {
        /// Where.
        path: String,
        /// Its permissions.
        mode: u32,
        /// What is in it.
        data: Bytes,
        /// Whose it is; root's if nobody says.
        owner: Option<Owner>,
        /// When it was written.
        time: Option<i64>,
    },
    /// Makes a directory.
    Mkdir {
        /// Where.
        path: String,
        /// Its permissions.
        mode: u32,
        /// Also those above it.
        parents: bool,
        /// Whose it is; root's if nobody says.
        owner: Option<Owner>,
        /// When it was made.
        time: Option<i64>,
    },
    /// Removes.
    Rm {
        /// What.
        path: String,
        /// Whether there may be nothing.
        allow_not_found: bool,
        /// Whether the path is a pattern.
        wildcard: bool,
    },
    /// Makes a link.
    Symlink {
        /// What it points to.
        target: String,
        /// Where.
        path: String,
        /// Whose it is; root's if nobody says.
        owner: Option<Owner>,
        /// When it was made.
        time: Option<i64>,
    },
}

/// A copy.
#[derive(Clone, Debug)]
pub struct Copy {
    /// What.
    pub src: String,
    /// Where to.
    pub dest: String,
    /// Whose it is; as before if nobody says.
    pub owner: Option<Owner>,
    /// Its permissions, as chmod(1) reads them; as before if nobody says.
    pub mode: Option<String>,
    /// Whether a link is what it points to.
    pub follow: bool,
    /// Of a directory what is in it.
    pub contents: bool,
    /// Archives are unpacked.
    pub unpack: bool,
    /// What is missing of the directory it goes to is made.
    pub create: bool,
    /// Whether the source is a pattern.
    pub wildcard: bool,
    /// Whether it may describe nothing.
    pub allow_none: bool,
    /// Whether a file takes the place of a directory, and a directory that of a file.
    pub replace: bool,
    /// When everything was made.
    pub time: Option<i64>,
    /// Patterns of what is copied.
    pub include: Vec<String>,
    /// Patterns of what is not.
    pub exclude: Vec<String>,
    /// Paths of the source that have to be there, where there are patterns of what is wanted.
    pub required: Vec<String>,
}

/// Whose something is.
#[derive(Clone, Debug)]
pub struct Owner {
    /// The user.
    pub user: Option<Account>,
    /// The group; the user's if nobody says.
    pub group: Option<Account>,
}

/// A user or a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Account {
    /// By number.
    Id(u32),
    /// By name, as files know it.
    Name(String, Place),
}

impl File {
    pub(crate) fn read(file: &pb::FileOp, inputs: usize) -> Result<Self, Refused> {
        if file.actions.is_empty() {
            return Err(Refused::invalid("invalid file op with no actions"));
        }
        let reader = Reader {
            inputs,
            actions: file.actions.len(),
        };
        let mut actions: Vec<Action> = Vec::new();
        for (number, action) in file.actions.iter().enumerate() {
            let action = reader.action(number, action)?;
            let twice = |known: &Action| action.output.is_some() && known.output == action.output;
            if actions.iter().any(twice) {
                return Err(Refused::invalid(format!(
                    "duplicate output {}",
                    action.output.unwrap_or(0)
                )));
            }
            actions.push(action);
        }
        let file = Self { actions };
        let outputs = file.outputs();
        if outputs == 0 {
            return Err(Refused::invalid("no outputs specified"));
        }
        let has = |output: &usize| file.actions.iter().any(|each| each.output == Some(*output));
        match (0..outputs).find(|output| !has(output)) {
            Some(missing) => Err(Refused::invalid(format!("missing output index {missing}"))),
            None => Ok(file),
        }
    }

    /// How many results there are.
    pub(crate) fn outputs(&self) -> usize {
        self.actions
            .iter()
            .filter(|action| action.output.is_some())
            .count()
    }
}

/// What numbers of an action can mean.
struct Reader {
    inputs: usize,
    actions: usize,
}

impl Reader {
    /// An input, or an action before this one.
    fn place(&self, number: usize, index: i64, what: &str) -> Result<Place, Refused> {
        let all = self.inputs + self.actions;
        match usize::try_from(index) {
            _ if index == -1 => Ok(Place::Empty),
            Ok(place) if place < self.inputs => Ok(Place::Input(place)),
            Ok(place) if place < self.inputs + number => Ok(Place::Action(place - self.inputs)),
            // Clients write actions after what they need, so that no loop can be written.
            Ok(place) if place < all => Err(Refused::invalid(format!("loop from index {place}"))),
            _ => Err(Refused::invalid(format!(
                "invalid {what}index {index}, {all} provided"
            ))),
        }
    }

    fn action(&self, number: usize, action: &pb::FileAction) -> Result<Action, Refused> {
        let output = match usize::try_from(action.output) {
            _ if action.output == -1 => None,
            Ok(output) if output < self.actions => Some(output),
            _ => {
                let sentence = format!("invalid output index {}", action.output);
                return Err(Refused::invalid(sentence));
            }
        };
        Ok(Action {
            upon: self.place(number, action.input, "input ")?,
            from: self.place(number, action.secondary_input, "secondary input ")?,
            output,
            work: self.work(number, action)?,
        })
    }

    fn work(&self, number: usize, action: &pb::FileAction) -> Result<Work, Refused> {
        use pb::file_action::Action;
        let owner = |owner: &Option<pb::ChownOpt>| self.owner(number, owner.as_ref());
        Ok(match &action.action {
            None => return Err(Refused::invalid("invalid file action with nothing to do")),
            Some(Action::Copy(copy)) => Work::Copy(Copy {
                owner: owner(&copy.owner)?,
                ..read_copy(copy)
            }),
            Some(Action::Mkfile(made)) => Work::Mkfile {
                path: made.path.clone(),
                mode: permissions(made.mode),
                data: made.data.clone(),
                owner: owner(&made.owner)?,
                time: time(made.timestamp),
            },
            Some(Action::Mkdir(made)) => Work::Mkdir {
                path: made.path.clone(),
                mode: permissions(made.mode),
                parents: made.make_parents,
                owner: owner(&made.owner)?,
                time: time(made.timestamp),
            },
            Some(Action::Rm(removed)) => Work::Rm {
                path: removed.path.clone(),
                allow_not_found: removed.allow_not_found,
                wildcard: removed.allow_wildcard,
            },
            Some(Action::Symlink(link)) => Work::Symlink {
                target: link.oldpath.clone(),
                path: link.newpath.clone(),
                owner: owner(&link.owner)?,
                time: time(link.timestamp),
            },
        })
    }

    fn owner(&self, number: usize, owner: Option<&pb::ChownOpt>) -> Result<Option<Owner>, Refused> {
        let Some(owner) = owner else { return Ok(None) };
        Ok(Some(Owner {
            user: self.account(number, owner.user.as_ref())?,
            group: self.account(number, owner.group.as_ref())?,
        }))
    }

    fn account(&self, number: usize, account: Option<&pb::UserOpt>) -> Result<Option<Account>, Refused> {
        use pb::user_opt::User;
        Ok(match account.and_then(|account| account.user.as_ref()) {
            None => None,
            Some(User::ById(id)) => Some(Account::Id(*id)),
            Some(User::ByName(named)) => {
                let place = self.place(number, named.input, "user ")?;
                if place == Place::Empty {
                    return Err(Refused::invalid(format!("invalid user index: {}", named.input)));
                }
                Some(Account::Name(named.name.clone(), place))
            }
        })
    }
}

fn read_copy(copy: &pb::FileActionCopy) -> Copy {
    let mode = match (&*copy.mode_str, copy.mode) {
        ("", -1) => None,
        ("", mode) => Some(format!("{:o}", mode & 0o7777)),
        (text, _) => Some(text.to_owned()),
    };
    Copy {
        src: copy.src.clone(),
        dest: copy.dest.clone(),
        owner: None,
        mode,
        follow: copy.follow_symlink,
        contents: copy.dir_copy_contents,
        unpack: copy.attempt_unpack_docker_compatibility,
        create: copy.create_dest_path,
        wildcard: copy.allow_wildcard,
        allow_none: copy.allow_empty_wildcard,
        replace: copy.always_replace_existing_dest_paths,
        time: time(copy.timestamp),
        include: copy.include_patterns.clone(),
        exclude: copy.exclude_patterns.clone(),
        required: copy.required_paths.clone(),
    }
}

/// Times are in nanoseconds; -1 is none.
const fn time(nanoseconds: i64) -> Option<i64> {
    match nanoseconds {
        -1 => None,
        time => Some(time.div_euclid(1_000_000_000)),
    }
}

const fn permissions(mode: i32) -> u32 {
    mode.cast_unsigned() & 0o777
}
