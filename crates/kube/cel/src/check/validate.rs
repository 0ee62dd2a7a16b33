//! Constants that a function can only fail on: patterns, durations and timestamps.

use super::Meaning;
use crate::issue::Found;
use crate::syntax::ast::{Ast, Expr, Literal};
use crate::value::time::{parse_duration, parse_timestamp};

/// Complains about literals that upstream's validators refuse.
pub(super) fn literals(found: &mut Found<'_>, ast: &Ast, meanings: &[Option<Meaning>]) {
    let mut weight = 0;
    for (node, meaning) in ast.nodes.iter().zip(meanings) {
        let (Expr::Call { args, .. }, Some(Meaning::Function(_, function, _))) = (&node.expr, meaning) else {
            continue;
        };
        let Some(last) = args.last() else {
            continue;
        };
        let Expr::Literal(Literal::String(text)) = ast.expr(*last) else {
            continue;
        };
        let good = match function.name {
            "matches" => {
                // They are compiled when the expression is evaluated first; together they may weigh what one may.
                weight += regexp::weight(text).unwrap_or(regexp::HEAVIEST + 1);
                weight <= regexp::HEAVIEST
            }
            "duration" => parse_duration(text).is_some(),
            "timestamp" => parse_timestamp(text).is_some(),
            _ => true,
        };
        if !good {
            found.at(ast.offset(*last), format!("invalid {} argument", function.name));
        }
    }
}
