//! What vertices are called that have no name of their own.

use crate::graph::{Edge, Vertex};
use crate::pb;

/// Bytes of a name: those of merges hold those of their inputs, which would double with each.
const MAX_NAME: usize = 2048;

/// A name of bounded length.
pub(crate) fn cut(mut name: String) -> String {
    if name.len() > MAX_NAME {
        let end = (0..=MAX_NAME).rev().find(|end| name.is_char_boundary(*end));
        name.truncate(end.unwrap_or(0));
        name.push('…');
    }
    name
}

/// The name of a message.
pub(crate) fn of(op: &pb::Op, inputs: &[Edge], known: &[Vertex]) -> String {
    let named = |place: usize| {
        let vertex = inputs.get(place).and_then(|edge| known.get(edge.vertex));
        vertex.map_or("", |vertex| &vertex.name)
    };
    let side = |place: Option<i64>| match place.map(usize::try_from) {
        Some(Ok(place)) => format!("({})", named(place)),
        _ => "scratch".to_owned(),
    };
    cut(match &op.op {
        Some(pb::op::Op::Source(source)) => source.identifier.clone(),
        Some(pb::op::Op::Exec(exec)) => exec
            .meta
            .as_ref()
            .map_or(String::new(), |meta| meta.args.join(" ")),
        Some(pb::op::Op::File(file)) => {
            let names: Vec<String> = file.actions.iter().map(action).collect();
            names.join(", ")
        }
        Some(pb::op::Op::Merge(merge)) => {
            let names: Vec<&str> = (0..merge.inputs.len().min(inputs.len())).map(named).collect();
            format!("merge ({})", names.join(", "))
        }
        Some(pb::op::Op::Diff(diff)) => {
            let lower = side(diff.lower.map(|lower| lower.input));
            let upper = side(diff.upper.map(|upper| upper.input));
            format!("diff {lower} -> {upper}")
        }
        Some(pb::op::Op::Passthrough(passed)) => format!("passthrough {}", passed.id),
        Some(pb::op::Op::Build(_)) => "build".to_owned(),
        None => "unknown".to_owned(),
    })
}

fn action(action: &pb::FileAction) -> String {
    use pb::file_action::Action;
    match &action.action {
        Some(Action::Mkdir(made)) => format!("mkdir {}", made.path),
        Some(Action::Mkfile(made)) => format!("mkfile {}", made.path),
        Some(Action::Rm(removed)) => format!("rm {}", removed.path),
        Some(Action::Copy(copy)) => format!("copy {} {}", copy.src, copy.dest),
        Some(Action::Symlink(link)) => format!("symlink {} {}", link.newpath, link.oldpath),
        None => String::new(),
    }
}
