//! Macros that go over lists and maps: each becomes a loop with an accumulator.

use super::{Call, Expanded};
use crate::syntax::ast::{ACCUMULATOR, Expr, ExprId, Fold, Literal};
use crate::syntax::parser::{Parser, Stop};

/// What a loop over the target does; its variables and accumulator are filled in by [`fold`].
struct Loop {
    init: ExprId,
    condition: ExprId,
    step: ExprId,
    result: ExprId,
}

fn fold(parser: &mut Parser<'_>, call: &Call<'_>, rest: usize, body: &Loop) -> Expanded {
    let (var, second) = match parser.variables(call, rest) {
        Ok(variables) => variables,
        Err(malformed) => return Ok(Err(malformed)),
    };
    let fold = Fold {
        var,
        second,
        range: call.target.unwrap_or(body.init),
        accumulator: ACCUMULATOR.into(),
        init: body.init,
        condition: body.condition,
        step: body.step,
        result: body.result,
    };
    parser.push(call.offset, Expr::Fold(Box::new(fold))).map(Ok)
}

fn last(call: &Call<'_>) -> ExprId {
    call.args[call.args.len() - 1]
}

pub(super) fn all(parser: &mut Parser<'_>, call: &Call<'_>) -> Expanded {
    let init = parser.constant(call, Literal::Bool(true))?;
    let so_far = parser.accumulator(call)?;
    let condition = parser.call(call.offset, "@not_strictly_false", None, &[so_far])?;
    let so_far = parser.accumulator(call)?;
    let step = parser.call(call.offset, "_&&_", None, &[so_far, last(call)])?;
    let result = parser.accumulator(call)?;
    let body = Loop {
        init,
        condition,
        step,
        result,
    };
    fold(parser, call, 1, &body)
}

pub(super) fn exists(parser: &mut Parser<'_>, call: &Call<'_>) -> Expanded {
    let init = parser.constant(call, Literal::Bool(false))?;
    let so_far = parser.accumulator(call)?;
    let not = parser.call(call.offset, "!_", None, &[so_far])?;
    let condition = parser.call(call.offset, "@not_strictly_false", None, &[not])?;
    let so_far = parser.accumulator(call)?;
    let step = parser.call(call.offset, "_||_", None, &[so_far, last(call)])?;
    let result = parser.accumulator(call)?;
    let body = Loop {
        init,
        condition,
        step,
        result,
    };
    fold(parser, call, 1, &body)
}

pub(super) fn exists_one(parser: &mut Parser<'_>, call: &Call<'_>) -> Expanded {
    let init = parser.constant(call, Literal::Int(0))?;
    let condition = parser.constant(call, Literal::Bool(true))?;
    let one = parser.constant(call, Literal::Int(1))?;
    let so_far = parser.accumulator(call)?;
    let more = parser.call(call.offset, "_+_", None, &[so_far, one])?;
    let step = parser.filtered(call, Some(last(call)), more)?;
    let total = parser.accumulator(call)?;
    let one = parser.constant(call, Literal::Int(1))?;
    let result = parser.call(call.offset, "_==_", None, &[total, one])?;
    let body = Loop {
        init,
        condition,
        step,
        result,
    };
    fold(parser, call, 1, &body)
}

/// A loop that goes over everything and carries along what it makes.
fn collect(
    parser: &mut Parser<'_>,
    call: &Call<'_>,
    rest: usize,
    init: ExprId,
    step: ExprId,
    filter: Option<ExprId>,
) -> Expanded {
    let condition = parser.constant(call, Literal::Bool(true))?;
    let step = parser.filtered(call, filter, step)?;
    let result = parser.accumulator(call)?;
    let body = Loop {
        init,
        condition,
        step,
        result,
    };
    fold(parser, call, rest, &body)
}

/// `@result + [item]`
fn append(parser: &mut Parser<'_>, call: &Call<'_>, item: ExprId) -> Result<ExprId, Stop> {
    let so_far = parser.accumulator(call)?;
    let item = parser.one_item(call, item)?;
    parser.call(call.offset, "_+_", None, &[so_far, item])
}

pub(super) fn map(parser: &mut Parser<'_>, call: &Call<'_>) -> Expanded {
    if let Err(malformed) = parser.variable(call.args[0], "argument is not an identifier") {
        return Ok(Err(malformed));
    }
    let filter = (call.args.len() == 3).then(|| call.args[1]);
    let init = parser.push(call.offset, Expr::List([].into()))?;
    let step = append(parser, call, last(call))?;
    collect(parser, call, call.args.len() - 1, init, step, filter)
}

pub(super) fn filter(parser: &mut Parser<'_>, call: &Call<'_>) -> Expanded {
    if let Err(malformed) = parser.variable(call.args[0], "argument is not an identifier") {
        return Ok(Err(malformed));
    }
    let init = parser.push(call.offset, Expr::List([].into()))?;
    let step = append(parser, call, call.args[0])?;
    collect(parser, call, 1, init, step, Some(call.args[1]))
}

pub(super) fn transform_list(parser: &mut Parser<'_>, call: &Call<'_>) -> Expanded {
    let filter = (call.args.len() == 4).then(|| call.args[2]);
    let init = parser.push(call.offset, Expr::List([].into()))?;
    let step = append(parser, call, last(call))?;
    collect(parser, call, call.args.len() - 2, init, step, filter)
}

pub(super) fn transform_map(parser: &mut Parser<'_>, call: &Call<'_>) -> Expanded {
    let key = match parser.variables(call, call.args.len() - 2) {
        Ok((key, _)) => key,
        Err(malformed) => return Ok(Err(malformed)),
    };
    let filter = (call.args.len() == 4).then(|| call.args[2]);
    let init = parser.push(call.offset, Expr::Map([].into()))?;
    let so_far = parser.accumulator(call)?;
    let key = parser.ident(call, &key)?;
    let step = parser.call(call.offset, "cel.@mapInsert", None, &[so_far, key, last(call)])?;
    collect(parser, call, call.args.len() - 2, init, step, filter)
}

pub(super) fn transform_map_entry(parser: &mut Parser<'_>, call: &Call<'_>) -> Expanded {
    let filter = (call.args.len() == 4).then(|| call.args[2]);
    let init = parser.push(call.offset, Expr::Map([].into()))?;
    let so_far = parser.accumulator(call)?;
    let step = parser.call(call.offset, "cel.@mapInsert", None, &[so_far, last(call)])?;
    collect(parser, call, call.args.len() - 2, init, step, filter)
}
