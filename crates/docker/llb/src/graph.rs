//! A definition as a graph.

use std::collections::BTreeMap;

use image::Digest;
use prost::Message as _;

use crate::exec::Exec;
use crate::file::File;
use crate::source::Source;
use crate::{Refused, names, pb};

/// At most so many messages, and inputs of them altogether.
const MAX_OPS: usize = 16_384;
const MAX_INPUTS: usize = 131_072;

/// What is asked for: vertices, each after those that it needs.
#[derive(Clone, Debug)]
pub struct Graph {
    /// The vertices.
    pub vertices: Vec<Vertex>,
    /// What is wanted of them.
    pub result: Edge,
}

/// One of a vertex' results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// The vertex, by its place.
    pub vertex: usize,
    /// Which of its results.
    pub output: usize,
}

/// Something to be done.
#[derive(Clone, Debug)]
pub struct Vertex {
    /// Of its message: clients know it by this.
    pub digest: Digest,
    /// What it is called.
    pub name: String,
    /// What it needs.
    pub inputs: Vec<Edge>,
    /// `linux/amd64`; `None` if nobody said.
    pub platform: Option<String>,
    /// It is carried out whether the cache has it or not.
    pub ignore_cache: bool,
    /// The steps that it is shown together with.
    pub group: Option<pb::ProgressGroup>,
    /// What its command may use of the machine.
    pub limits: Option<pb::LinuxResources>,
    /// What of the message counts for the cache: not what its inputs are, nor what is known by its content.
    pub counts: Digest,
    /// What is to be done.
    pub op: Op,
}

/// What is to be done.
#[derive(Clone, Debug)]
pub enum Op {
    /// Files from elsewhere.
    Source(Source),
    /// A command.
    Exec(Exec),
    /// Changes of files.
    File(File),
    /// Its inputs upon each other.
    Merge,
    /// Its inputs as they are, by their numbers.
    Passthrough(Vec<usize>),
    /// What a definition makes that is a file of an input.
    Build {
        /// The input.
        definition: usize,
        /// The file.
        file: String,
    },
    /// What the upper one of two inputs has and the lower one has not; `None` is nothing at all.
    Diff {
        /// An input.
        lower: Option<usize>,
        /// An input.
        upper: Option<usize>,
    },
}

impl Op {
    /// How many results there are.
    #[must_use]
    pub fn outputs(&self) -> usize {
        match self {
            Self::Source(_) | Self::Merge | Self::Diff { .. } | Self::Build { .. } => 1,
            Self::Exec(exec) => exec.outputs(),
            Self::File(file) => file.outputs(),
            Self::Passthrough(outputs) => outputs.len(),
        }
    }
}

/// A message before it is a vertex.
struct Raw {
    op: pb::Op,
    digest: Digest,
}

impl Graph {
    /// Reads a definition.
    ///
    /// # Errors
    /// Why it is none.
    pub fn read(definition: &pb::Definition) -> Result<Self, Refused> {
        let (raw, last) = messages(definition)?;
        let end = raw
            .get(&last)
            .and_then(|end| end.op.inputs.first())
            .cloned()
            .ok_or_else(|| Refused::invalid("invalid LLB with no inputs on last vertex"))?;
        let order = ordered(&raw, &last, &end.digest)?;
        let places: BTreeMap<&str, usize> = order.iter().copied().zip(0..).collect();
        let mut vertices: Vec<Vertex> = Vec::with_capacity(order.len());
        for digest in &order {
            let raw = &raw[*digest];
            let about = definition.metadata.get(*digest);
            let vertex = vertex(raw, about, &places, &vertices)?;
            vertices.push(vertex);
        }
        let result = edge(&end, &places, &vertices)?;
        Ok(Self { vertices, result })
    }
}

/// All messages by their digests, and which is the last.
fn messages(definition: &pb::Definition) -> Result<(BTreeMap<String, Raw>, String), Refused> {
    if definition.def.is_empty() {
        return Err(Refused::invalid("invalid empty definition"));
    }
    if definition.def.len() > MAX_OPS {
        return Err(Refused::invalid(format!(
            "a definition of more than {MAX_OPS} vertexes"
        )));
    }
    let (mut all, mut last, mut inputs) = (BTreeMap::new(), String::new(), 0);
    for bytes in &definition.def {
        let op = pb::Op::decode(&bytes[..])
            .map_err(|error| Refused::invalid(format!("failed to parse llb proto op: {error}")))?;
        inputs += op.inputs.len();
        if inputs > MAX_INPUTS {
            return Err(Refused::invalid(format!(
                "a definition of more than {MAX_INPUTS} inputs"
            )));
        }
        let digest = Digest::of(bytes);
        last = digest.to_string();
        all.insert(last.clone(), Raw { op, digest });
    }
    if all.len() < 2 {
        return Err(Refused::invalid(format!(
            "invalid LLB with {} vertexes",
            all.len()
        )));
    }
    Ok((all, last))
}

/// The messages that one needs, itself included, each after those that it needs. Done with a stack of its own.
fn ordered<'a>(raw: &'a BTreeMap<String, Raw>, last: &str, wanted: &'a str) -> Result<Vec<&'a str>, Refused> {
    #[derive(PartialEq)]
    enum Mark {
        Open,
        Done,
    }
    let mut marks: BTreeMap<&str, Mark> = BTreeMap::new();
    let (mut order, mut stack) = (Vec::new(), vec![(wanted, false)]);
    while let Some((digest, seen)) = stack.pop() {
        if seen {
            marks.insert(digest, Mark::Done);
            order.push(digest);
            continue;
        }
        match marks.get(digest) {
            Some(Mark::Done) => continue,
            // Digests are over their inputs' digests, so this takes a broken hash.
            Some(Mark::Open) => return Err(Refused::invalid(format!("a loop at {digest}"))),
            None => {}
        }
        // The last message only says which vertex is wanted.
        let found = raw.get(digest).filter(|_| digest != last);
        let found =
            found.ok_or_else(|| Refused::invalid(format!("invalid missing input digest {digest}")))?;
        marks.insert(digest, Mark::Open);
        stack.push((digest, true));
        let missing = |input: &&pb::Input| marks.get(&input.digest[..]) != Some(&Mark::Done);
        let inputs = found.op.inputs.iter().rev().filter(missing);
        stack.extend(inputs.map(|input| (&input.digest[..], false)));
    }
    Ok(order)
}

fn edge(input: &pb::Input, places: &BTreeMap<&str, usize>, known: &[Vertex]) -> Result<Edge, Refused> {
    let missing = || Refused::invalid(format!("invalid missing input digest {}", input.digest));
    let vertex = *places.get(&input.digest[..]).ok_or_else(missing)?;
    let outputs = known.get(vertex).ok_or_else(missing)?.op.outputs();
    match usize::try_from(input.index) {
        Ok(output) if output < outputs => Ok(Edge { vertex, output }),
        _ => Err(Refused::invalid(format!(
            "invalid output index {} of {} with {outputs} outputs",
            input.index, input.digest
        ))),
    }
}

fn vertex(
    raw: &Raw,
    about: Option<&pb::OpMetadata>,
    places: &BTreeMap<&str, usize>,
    known: &[Vertex],
) -> Result<Vertex, Refused> {
    let inputs = raw.op.inputs.iter().map(|input| edge(input, places, known));
    let inputs = inputs.collect::<Result<Vec<_>, _>>()?;
    let op = read(&raw.op, inputs.len())?;
    let named = about.and_then(|about| about.description.get("llb.customname"));
    let name = match named {
        Some(name) => names::cut(name.clone()),
        None => names::of(&raw.op, &inputs, known),
    };
    Ok(Vertex {
        digest: raw.digest,
        name,
        inputs,
        platform: raw.op.platform.as_ref().map(platform),
        ignore_cache: about.is_some_and(|about| about.ignore_cache),
        group: about.and_then(|about| about.progress_group.clone()),
        limits: about.and_then(|about| about.linux_resources.clone()),
        counts: counts(&raw.op),
        op,
    })
}

fn platform(platform: &pb::Platform) -> String {
    let parts = [&platform.os, &platform.architecture, &platform.variant];
    let said = parts.into_iter().filter(|part| !part.is_empty());
    said.map(String::as_str).collect::<Vec<_>>().join("/")
}

fn read(op: &pb::Op, inputs: usize) -> Result<Op, Refused> {
    match &op.op {
        None => Err(Refused::invalid("invalid nil op")),
        Some(pb::op::Op::Source(source)) => Ok(Op::Source(Source::read(source)?)),
        Some(pb::op::Op::Exec(exec)) => Ok(Op::Exec(Exec::read(exec, inputs)?)),
        Some(pb::op::Op::File(file)) => Ok(Op::File(File::read(file, inputs)?)),
        Some(pb::op::Op::Merge(merge)) => {
            let inner = merge.inputs.len();
            if inner != inputs {
                return Err(Refused::invalid(format!(
                    "invalid merge op with {inner} inner inputs and {inputs} outer inputs"
                )));
            }
            Ok(Op::Merge)
        }
        Some(pb::op::Op::Diff(diff)) => {
            let nil = || Refused::invalid("invalid diff op with nil lower or upper input");
            let (lower, upper) = diff.lower.zip(diff.upper).ok_or_else(nil)?;
            Ok(Op::Diff {
                lower: input(lower.input, inputs)?,
                upper: input(upper.input, inputs)?,
            })
        }
        Some(pb::op::Op::Build(build)) => nested(build, inputs),
        Some(pb::op::Op::Passthrough(passed)) => {
            let table = [
                (passed.id.is_empty(), "invalid passthrough op with no id"),
                (
                    passed.outputs.is_empty(),
                    "invalid passthrough op with no outputs",
                ),
            ];
            if let Some((_, sentence)) = table.iter().find(|(wrong, _)| *wrong) {
                return Err(Refused::invalid(*sentence));
            }
            let each = passed.outputs.iter().map(|number| {
                let place = usize::try_from(*number).ok().filter(|place| *place < inputs);
                place.ok_or_else(|| {
                    Refused::invalid(format!("invalid passthrough output input index {number}"))
                })
            });
            Ok(Op::Passthrough(each.collect::<Result<_, _>>()?))
        }
    }
}

/// A definition that is a file of an input.
fn nested(build: &pb::BuildOp, inputs: usize) -> Result<Op, Refused> {
    /// What the input is called that has the definition, and the file if nobody says.
    const DEFINITION: &str = "buildkit.llb.definition";
    /// The attribute that says which file it is.
    const FILE: &str = "llbbuild.filename";
    if build.builder != -1 {
        return Err(Refused::invalid("only LLB builder is currently allowed"));
    }
    let found = build.inputs.get(DEFINITION);
    let found =
        found.ok_or_else(|| Refused::invalid(format!("no llb definition input {DEFINITION} found")))?;
    let place = usize::try_from(found.input).ok().filter(|place| *place < inputs);
    Ok(Op::Build {
        definition: place.ok_or_else(|| Refused::invalid(format!("invalid index {}", found.input)))?,
        file: build.attrs.get(FILE).map_or(DEFINITION, |file| file).to_owned(),
    })
}

/// An input by its number; -1 is none.
pub(crate) fn input(number: i64, inputs: usize) -> Result<Option<usize>, Refused> {
    match usize::try_from(number) {
        _ if number == -1 => Ok(None),
        Ok(place) if place < inputs => Ok(Some(place)),
        _ => Err(Refused::invalid(format!(
            "invalid input index {number}, {inputs} provided"
        ))),
    }
}

/// What of a message counts for the cache: inputs count by what they are, selected paths by their content, and the
/// addresses of proxies and hosts not at all.
fn counts(op: &pb::Op) -> Digest {
    let mut op = op.clone();
    op.inputs.clear();
    op.constraints = None;
    match &mut op.op {
        Some(pb::op::Op::Exec(exec)) => {
            if let Some(meta) = &mut exec.meta {
                meta.proxy_env = None;
                meta.extra_hosts.iter_mut().for_each(|host| host.ip.clear());
            }
            exec.mounts.iter_mut().for_each(|mount| mount.selector.clear());
        }
        Some(pb::op::Op::File(file)) => {
            for action in &mut file.actions {
                if let Some(pb::file_action::Action::Copy(copy)) = &mut action.action {
                    let name = copy.src.rsplit('/').next().unwrap_or_default().to_owned();
                    copy.src = name;
                }
            }
        }
        _ => {}
    }
    Digest::of(&op.encode_to_vec())
}
