//! Questions about a Dockerfile that nothing is built for: its stages, what may be given to a build of it, and which
//! files of the context it uses. No I/O.

mod scans;

use std::collections::{BTreeMap, BTreeSet};

use image::Platform;

use crate::arguments::automatic;
use crate::dockerfile::{self, Dockerfile, Instruction, InstructionKind, Lex, Mount, MountKind, Span, Stage};
use crate::lint::Bases;
use crate::request::Dialect;
use crate::{BuildError, copy, dockerignore, platform, stages};

pub use scans::{Scans, scans};

/// What is asked about.
pub struct Inquiry<'a> {
    /// The Dockerfile.
    pub text: &'a [u8],
    /// `--build-arg`s.
    pub args: &'a BTreeMap<String, String>,
    /// The stage that is built; the last if none is named.
    pub target: Option<&'a str>,
    /// The platform that is built for.
    pub platform: Platform,
    /// What base images are.
    pub bases: &'a dyn Bases,
}

/// A stage, as `docker build --call=targets` lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// `AS name`.
    pub name: Option<String>,
    /// The comment that describes it.
    pub description: String,
    /// Whether it is built where none is named.
    pub default: bool,
    /// What it begins with, as written.
    pub base: String,
    /// `--platform`, as written.
    pub platform: Option<String>,
    /// Where it stands.
    pub span: Span,
}

/// What may be given to a build of a stage (`--call=outline`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// The stage's name.
    pub name: Option<String>,
    /// The comment that describes it.
    pub description: String,
    /// Arguments, in the order of the file.
    pub args: Vec<Given>,
    /// Secrets.
    pub secrets: Vec<Given>,
    /// Agents.
    pub ssh: Vec<Given>,
}

/// Something that may be given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// What it is called.
    pub name: String,
    /// The comment that describes it.
    pub description: String,
    /// What it is worth.
    pub value: String,
    /// Whether nothing can be built without it.
    pub required: bool,
    /// Where it stands.
    pub span: Span,
}

/// The stages of a Dockerfile.
///
/// # Errors
/// It cannot be parsed.
pub fn targets(text: &[u8]) -> Result<Vec<Target>, BuildError> {
    let stages = parse(text)?.stages;
    let last = stages.len().saturating_sub(1);
    let target = |(number, stage): (usize, Stage)| Target {
        description: comment(&stage.comments, stage.name.as_deref().unwrap_or_default()),
        default: number == last,
        base: stage.base,
        platform: stage.platform,
        span: stage.span,
        name: stage.name,
    };
    Ok(stages.into_iter().enumerate().map(target).collect())
}

fn parse(text: &[u8]) -> Result<Dockerfile, BuildError> {
    dockerfile::parse(text).map_err(|source| BuildError::Parse {
        name: "Dockerfile".to_owned(),
        source,
    })
}

/// What a comment says of a name: the line that begins with it.
fn comment(comments: &[String], name: &str) -> String {
    let said = |line: &String| Some(line.strip_prefix(name)?.strip_prefix(' ')?.to_owned());
    let described = comments.iter().find_map(said);
    described.filter(|_| !name.is_empty()).unwrap_or_default()
}

/// The stages that a target is made of, by number, and the arguments before them.
struct Needed {
    file: Dockerfile,
    target: usize,
    numbers: BTreeSet<usize>,
    lex: Lex,
    variables: BTreeMap<String, String>,
    /// Arguments before the first stage, and those that their values use.
    meta: BTreeMap<String, (Given, BTreeSet<String>)>,
}

struct Named<'a> {
    lex: Lex,
    variables: &'a BTreeMap<String, String>,
    bases: &'a dyn Bases,
    platform: &'a Platform,
}

impl stages::Bases for Named<'_> {
    fn is_replaced(&self, _: &Stage) -> bool {
        false
    }

    fn name(&self, stage: &Stage) -> Option<String> {
        self.lex.word(&stage.base, self.variables).ok()
    }

    fn triggers(&self, image: &str) -> Vec<String> {
        self.bases
            .base(image, self.platform)
            .map(|base| base.on_build)
            .unwrap_or_default()
    }
}

impl Needed {
    fn of(inquiry: &Inquiry<'_>) -> Result<Self, BuildError> {
        let file = parse(inquiry.text)?;
        let target = stages::target(&file.stages, inquiry.target, Dialect::BuildKit)?;
        let lex = Lex::new(file.escape);
        let stage = inquiry.target.unwrap_or("default");
        let mut variables = automatic(&platform::host(), &inquiry.platform, stage, inquiry.args);
        let mut meta = BTreeMap::new();
        for instruction in &file.meta_args {
            for given in arguments(instruction, inquiry.args, lex, &variables) {
                variables.insert(given.0.name.clone(), given.0.value.clone());
                meta.insert(given.0.name.clone(), given);
            }
        }
        let bases = Named {
            lex,
            variables: &variables,
            bases: inquiry.bases,
            platform: &inquiry.platform,
        };
        let numbers = stages::needed(&file.stages, target, &bases);
        Ok(Self {
            file,
            target,
            numbers,
            lex,
            variables,
            meta,
        })
    }

    fn stages(&self) -> impl Iterator<Item = &Stage> {
        self.numbers.iter().map(|number| &self.file.stages[*number])
    }
}

/// The arguments of an `ARG`, and those that their values use.
fn arguments(
    instruction: &Instruction,
    args: &BTreeMap<String, String>,
    lex: Lex,
    variables: &BTreeMap<String, String>,
) -> Vec<(Given, BTreeSet<String>)> {
    let InstructionKind::Arg(definitions) = &instruction.kind else {
        return Vec::new();
    };
    let given = |definition: &dockerfile::ArgDefinition| {
        let default = definition.value.as_deref().unwrap_or_default();
        let expanded = lex.expand(default, variables).unwrap_or_default();
        let given = Given {
            description: comment(&instruction.comments, &definition.name),
            value: args.get(&definition.name).cloned().unwrap_or(expanded.text),
            name: definition.name.clone(),
            required: false,
            span: instruction.span,
        };
        (given, expanded.matched)
    };
    definitions.iter().map(given).collect()
}

/// What a definition of an argument makes it worth; `None` if it says nothing.
fn worth(
    definition: &dockerfile::ArgDefinition,
    args: &BTreeMap<String, String>,
    lex: Lex,
    variables: &BTreeMap<String, String>,
) -> Option<String> {
    let default = || {
        let default = definition.value.as_deref()?;
        Some(lex.expand(default, variables).unwrap_or_default().text)
    };
    args.get(&definition.name).cloned().or_else(default)
}

/// What may be given to a build.
///
/// # Errors
/// It cannot be parsed, or has no such stage.
pub fn outline(inquiry: &Inquiry<'_>) -> Result<Outline, BuildError> {
    let needed = Needed::of(inquiry)?;
    let stage = &needed.file.stages[needed.target];
    let mut outline = Outline {
        name: stage.name.clone(),
        description: comment(&stage.comments, stage.name.as_deref().unwrap_or_default()),
        ..Outline::default()
    };
    let (mut own, mut used) = (BTreeMap::new(), BTreeSet::new());
    for stage in needed.stages() {
        used.extend(
            needed
                .lex
                .expand(&stage.base, &needed.variables)
                .unwrap_or_default()
                .matched,
        );
        for instruction in &stage.instructions {
            for (given, uses) in arguments(instruction, inquiry.args, needed.lex, &needed.variables) {
                let bare = given.value.is_empty() && !inquiry.args.contains_key(&given.name);
                used.extend(uses);
                if bare && needed.variables.contains_key(&given.name) {
                    used.insert(given.name);
                } else {
                    own.entry(given.name.clone()).or_insert(given);
                }
            }
            if let InstructionKind::Run(run) = &instruction.kind {
                run.mounts
                    .iter()
                    .for_each(|mount| mounted(mount, instruction.span, &mut outline));
            }
        }
    }
    let mut open: Vec<String> = used.into_iter().collect();
    while let Some(name) = open.pop() {
        if let Some((given, uses)) = needed.meta.get(&name)
            && !own.contains_key(&name)
        {
            own.insert(name, given.clone());
            open.extend(uses.iter().cloned());
        }
    }
    outline.args = own.into_values().collect();
    for list in [&mut outline.args, &mut outline.secrets, &mut outline.ssh] {
        list.sort_by_key(|given| given.span.start);
    }
    Ok(outline)
}

/// Notes a secret or an agent of a mount.
fn mounted(written: &str, span: Span, outline: &mut Outline) {
    let Ok(mount) = Mount::parse(written, &mut |text| Ok(text.to_owned())) else {
        return;
    };
    let list = match mount.kind {
        MountKind::Secret => &mut outline.secrets,
        MountKind::Ssh => &mut outline.ssh,
        _ => return,
    };
    let last = mount.target.rsplit('/').next().unwrap_or_default();
    let fallback = if mount.kind == MountKind::Ssh {
        "default"
    } else {
        last
    };
    let names = [&*mount.id, &*mount.source, fallback];
    let name = names
        .into_iter()
        .find(|name| !name.is_empty())
        .unwrap_or_default();
    if list.iter().all(|known| known.name != name) {
        list.push(Given {
            name: name.to_owned(),
            required: mount.required,
            span,
            ..Given::default()
        });
    }
}

/// The paths of the main context that a build uses, clean; `None` where that is all of them, or not known beforehand.
#[must_use]
pub fn uses(inquiry: &Inquiry<'_>) -> Option<Vec<String>> {
    let needed = Needed::of(inquiry).ok()?;
    let mut uses = BTreeSet::new();
    for stage in needed.stages() {
        let base = needed.lex.word(&stage.base, &needed.variables).ok()?;
        let earlier = stages::by_name(&needed.file.stages, &base).is_some();
        // What a base has its stages run first is known only of one that is here.
        if !earlier && base != "scratch" && !inquiry.bases.base(&base, &inquiry.platform)?.on_build.is_empty()
        {
            return None;
        }
        for instruction in &stage.instructions {
            uses.extend(used(instruction)?);
        }
    }
    Some(uses.into_iter().collect())
}

/// The paths of one instruction.
fn used(instruction: &Instruction) -> Option<Vec<String>> {
    let paths: Vec<String> = match &instruction.kind {
        InstructionKind::Copy(copy) if copy.from.is_none() => sources(copy, "COPY")?,
        InstructionKind::Add(copy) => sources(copy, "ADD")?,
        InstructionKind::Run(run) => {
            let parsed = run
                .mounts
                .iter()
                .map(|mount| Mount::parse(mount, &mut |text| Ok(text.to_owned())));
            let parsed: Vec<Mount> = parsed.collect::<Result<_, _>>().ok()?;
            let of_context = |mount: &Mount| mount.kind == MountKind::Bind && mount.from.is_none();
            parsed
                .into_iter()
                .filter(of_context)
                .map(|mount| mount.source)
                .collect()
        }
        InstructionKind::Onbuild(trigger) => used(&dockerfile::parse_instruction(trigger).ok()?)?,
        _ => Vec::new(),
    };
    let clean = |path: String| {
        let clean = dockerignore::clean(&format!("/{path}"))
            .trim_start_matches('/')
            .to_owned();
        (!clean.is_empty() && !path.contains(['$', '\\'])).then_some(clean)
    };
    paths.into_iter().map(clean).collect()
}

fn sources(copy: &dockerfile::Copy, verb: &str) -> Option<Vec<String>> {
    // A path below a pivot, and patterns that are relative to it, are left to the whole.
    if copy.parents {
        return None;
    }
    let addresses = copy::addresses(verb, copy, Dialect::BuildKit).ok()?;
    let local = |source: &&String| addresses.iter().all(|(address, _)| address != *source);
    Some(copy.sources.iter().filter(local).cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::{Base, NoBases};

    struct Plain;

    impl Bases for Plain {
        fn base(&self, name: &str, _: &Platform) -> Option<Base> {
            let triggers = (name == "triggers").then(|| "COPY . /".to_owned());
            Some(Base {
                on_build: triggers.into_iter().collect(),
                ..Base::default()
            })
        }
    }

    fn inquiry<'a>(
        text: &'a str,
        target: Option<&'a str>,
        args: &'a BTreeMap<String, String>,
        bases: &'a dyn Bases,
    ) -> Inquiry<'a> {
        Inquiry {
            text: text.as_bytes(),
            args,
            target,
            platform: platform::host(),
            bases,
        }
    }

    #[test]
    fn only_what_the_target_copies_is_used() {
        let args = BTreeMap::new();
        let of = |text: &str, target| uses(&inquiry(text, target, &args, &Plain));
        let file = "FROM x AS a\nCOPY ./s d/*.c /\nFROM x AS b\nCOPY --from=a /x /\nADD http://h/f t /\nRUN --mount=target=/m,source=src x\nFROM y\nCOPY z /\n";
        let some = |paths: &[&str]| Some(paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>());
        assert_eq!(of(file, Some("b")), some(&["d/*.c", "s", "src", "t"]));
        assert_eq!(of(file, None), some(&["z"]));
        assert_eq!(of("FROM scratch\nLABEL a=b\n", None), some(&[]));
        for whole in [
            "FROM x\nCOPY . /\n",
            "FROM x\nCOPY $A /\n",
            "FROM triggers\n",
            "FROM x\nRUN --mount=target=/m x\n",
            "FROM x\nONBUILD ADD / /\n",
        ] {
            assert_eq!(of(whole, None), None, "{whole}");
        }
        assert_eq!(uses(&inquiry("FROM x\n", None, &args, &NoBases)), None);
    }

    #[test]
    fn an_outline_has_what_may_be_given() {
        let file = "ARG BASE=x\n# V is the version\nARG V=1\nARG UNUSED=2\nFROM $BASE AS a\nARG V\n\
                    # D is deep\nARG D=${V}.0\nRUN --mount=type=secret,id=s,required=true --mount=type=ssh x\n\
                    # last is the last\nFROM a AS last\nARG OWN\n";
        let args = BTreeMap::from([("OWN".to_owned(), "mine".to_owned())]);
        let outline = outline(&inquiry(file, None, &args, &Plain)).unwrap();
        assert_eq!(
            (outline.name.as_deref(), &*outline.description),
            (Some("last"), "is the last")
        );
        let args: Vec<_> = outline
            .args
            .iter()
            .map(|arg| (&*arg.name, &*arg.value, &*arg.description, arg.span.start))
            .collect();
        let expected = [
            ("BASE", "x", "", 1),
            ("V", "1", "is the version", 3),
            ("D", "1.0", "is deep", 8),
            ("OWN", "mine", "", 12),
        ];
        assert_eq!(args, expected);
        let names = |list: &[Given]| -> Vec<(String, bool)> {
            list.iter()
                .map(|given| (given.name.clone(), given.required))
                .collect()
        };
        assert_eq!(names(&outline.secrets), [("s".to_owned(), true)]);
        assert_eq!(names(&outline.ssh), [("default".to_owned(), false)]);
    }

    #[test]
    fn targets_are_the_stages() {
        let found = targets(b"# build makes it\nFROM x AS build\nFROM --platform=$P build\n").unwrap();
        assert_eq!(
            (found[0].name.as_deref(), &*found[0].description, found[0].default),
            (Some("build"), "makes it", false)
        );
        assert_eq!(
            (found[1].platform.as_deref(), &*found[1].base, found[1].default),
            (Some("$P"), "build", true)
        );
        assert!(targets(b"NOPE\n").is_err());
    }
}
