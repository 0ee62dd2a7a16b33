//! Macros that give a value a name: those of optional values, and sorting by a key.

use super::loops::map;
use super::{Call, Expanded};
use crate::syntax::ast::{Expr, ExprId, Fold, Literal};
use crate::syntax::parser::{Parser, Stop};

/// The name of a loop variable that nothing reads.
const UNUSED: &str = "#unused";

/// A loop over nothing, which gives a value a name.
fn bind(
    parser: &mut Parser<'_>,
    call: &Call<'_>,
    name: &str,
    value: ExprId,
    body: ExprId,
) -> Result<ExprId, Stop> {
    let fold = Fold {
        var: UNUSED.into(),
        second: None,
        range: parser.push(call.offset, Expr::List([].into()))?,
        accumulator: name.into(),
        init: value,
        condition: parser.constant(call, Literal::Bool(false))?,
        step: parser.ident(call, name)?,
        result: body,
    };
    parser.push(call.offset, Expr::Fold(Box::new(fold)))
}

pub(super) fn opt_map(parser: &mut Parser<'_>, call: &Call<'_>) -> Expanded {
    optional(parser, call, "optMap", |parser, bound| {
        parser.call(call.offset, "optional.of", None, &[bound])
    })
}

pub(super) fn opt_flat_map(parser: &mut Parser<'_>, call: &Call<'_>) -> Expanded {
    optional(parser, call, "optFlatMap", |_, bound| Ok(bound))
}

/// `target.hasValue() ? body with v = target.value() : optional.none()`
fn optional(
    parser: &mut Parser<'_>,
    call: &Call<'_>,
    name: &str,
    wrap: impl FnOnce(&mut Parser<'_>, ExprId) -> Result<ExprId, Stop>,
) -> Expanded {
    let message = format!("{name}() variable name must be a simple identifier");
    let (variable, target) = match (parser.variable(call.args[0], &message), call.target) {
        (Ok(variable), Some(target)) => (variable, target),
        (Err(malformed), _) => return Ok(Err(malformed)),
        (_, None) => return Err(Stop),
    };
    let there = parser.call(call.offset, "hasValue", Some(target), &[])?;
    let again = parser.copy(target)?;
    let value = parser.call(call.offset, "value", Some(again), &[])?;
    let bound = bind(parser, call, &variable, value, call.args[1])?;
    let yes = wrap(parser, bound)?;
    let no = parser.call(call.offset, "optional.none", None, &[])?;
    parser.call(call.offset, "_?_:_", None, &[there, yes, no]).map(Ok)
}

/// `list.sortBy(v, key)`: the list, sorted by a list of keys that goes beside it.
pub(super) fn sort_by(parser: &mut Parser<'_>, call: &Call<'_>) -> Expanded {
    const LIST: &str = "@__sortBy_input__";
    let Some(target) = call.target else {
        return Err(Stop);
    };
    match parser.node(target) {
        Expr::Select { .. } | Expr::List(_) | Expr::Fold(_) | Expr::Ident(_) | Expr::Call { .. } => {}
        _ => {
            let message =
                "sortBy can only be applied to a list, identifier, comprehension, call or select expression";
            return Ok(Err(parser.malformed(target, message)));
        }
    }
    let list = parser.ident(call, LIST)?;
    let keys = Call {
        offset: call.offset,
        target: Some(list),
        args: call.args,
    };
    let keys = match map(parser, &keys)? {
        Ok(keys) => keys,
        Err(malformed) => return Ok(Err(malformed)),
    };
    let list = parser.ident(call, LIST)?;
    let sorted = parser.call(call.offset, "@sortByAssociatedKeys", Some(list), &[keys])?;
    bind(parser, call, LIST, target, sorted).map(Ok)
}
