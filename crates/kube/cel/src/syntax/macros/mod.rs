//! Macros: calls that the parser turns into loops and tests (CEL specification, "Macros"), and those of
//! optional values and of two variables.

mod bindings;
mod loops;

use bindings::{opt_flat_map, opt_map, sort_by};
use loops::{all, exists, exists_one, filter, map, transform_list, transform_map, transform_map_entry};

use super::ast::{ACCUMULATOR, Entry, Expr, ExprId, Field, Item, Literal, children};
use super::parser::{Parser, Stop};

/// What a macro needs to know of the call that it replaces.
struct Call<'a> {
    offset: u32,
    target: Option<ExprId>,
    args: &'a [ExprId],
}

/// Why a macro cannot be expanded: what to say, and where.
struct Malformed(u32, String);

type Expanded = Result<Result<ExprId, Malformed>, Stop>;

type Expand = fn(&mut Parser<'_>, &Call<'_>) -> Expanded;

/// The macros: name, whether called on something, how many arguments, and what becomes of it.
const MACROS: &[(&str, bool, usize, Expand)] = &[
    ("has", false, 1, has),
    ("all", true, 2, all),
    ("all", true, 3, all),
    ("exists", true, 2, exists),
    ("exists", true, 3, exists),
    ("exists_one", true, 2, exists_one),
    ("exists_one", true, 3, exists_one),
    ("existsOne", true, 2, exists_one),
    ("existsOne", true, 3, exists_one),
    ("map", true, 2, map),
    ("map", true, 3, map),
    ("filter", true, 2, filter),
    ("transformList", true, 3, transform_list),
    ("transformList", true, 4, transform_list),
    ("transformMap", true, 3, transform_map),
    ("transformMap", true, 4, transform_map),
    ("transformMapEntry", true, 3, transform_map_entry),
    ("transformMapEntry", true, 4, transform_map_entry),
    ("optMap", true, 2, opt_map),
    ("optFlatMap", true, 2, opt_flat_map),
    ("sortBy", true, 2, sort_by),
];

/// A macro that copies its target doubles it; a chain of them may not grow beyond this many nodes.
const MOST_NODES: usize = 400_000;

impl Parser<'_> {
    /// A call, or what the macro of its name makes of it.
    pub(super) fn call_or_macro(
        &mut self,
        offset: u32,
        function: &str,
        target: Option<ExprId>,
        args: &[ExprId],
    ) -> Result<ExprId, Stop> {
        let found = MACROS.iter().find(|(name, member, count, _)| {
            *name == function && *member == target.is_some() && *count == args.len()
        });
        let Some((_, _, _, expand)) = found else {
            return self.call(offset, function, target, args);
        };
        let call = Call { offset, target, args };
        self.expanding = true;
        let expanded = expand(self, &call);
        self.expanding = false;
        match expanded? {
            Ok(expr) => Ok(expr),
            Err(Malformed(offset, message)) => {
                self.found.at(offset, message);
                self.push(offset, Expr::Error)
            }
        }
    }

    fn node(&self, id: ExprId) -> &Expr {
        &self.nodes[id.index()].expr
    }

    fn malformed(&self, id: ExprId, message: &str) -> Malformed {
        Malformed(self.nodes[id.index()].offset, message.to_owned())
    }

    /// The variable that an argument names.
    fn variable(&self, id: ExprId, message: &str) -> Result<Box<str>, Malformed> {
        match self.node(id) {
            Expr::Ident(name) if matches!(&**name, "__result__" | ACCUMULATOR) => {
                Err(self.malformed(id, "iteration variable overwrites accumulator variable"))
            }
            Expr::Ident(name) if !name.starts_with('.') => Ok(name.clone()),
            _ => Err(self.malformed(id, message)),
        }
    }

    /// A loop's variables, which all arguments but the last `rest` name.
    fn variables(&self, call: &Call<'_>, rest: usize) -> Result<(Box<str>, Option<Box<str>>), Malformed> {
        const MESSAGE: &str = "argument must be a simple name";
        let first = self.variable(call.args[0], MESSAGE)?;
        if call.args.len() - rest == 1 {
            return Ok((first, None));
        }
        let second = self.variable(call.args[1], MESSAGE)?;
        if first == second {
            return Err(self.malformed(call.args[1], &format!("duplicate variable name: {first}")));
        }
        Ok((first, Some(second)))
    }

    fn ident(&mut self, call: &Call<'_>, name: &str) -> Result<ExprId, Stop> {
        self.push(call.offset, Expr::Ident(name.into()))
    }

    fn accumulator(&mut self, call: &Call<'_>) -> Result<ExprId, Stop> {
        self.ident(call, ACCUMULATOR)
    }

    fn constant(&mut self, call: &Call<'_>, value: Literal) -> Result<ExprId, Stop> {
        self.literal_node(call.offset, value)
    }

    fn one_item(&mut self, call: &Call<'_>, value: ExprId) -> Result<ExprId, Stop> {
        let item = Item {
            value,
            optional: false,
        };
        self.push(call.offset, Expr::List([item].into()))
    }

    /// `filter ? step : @result`, or the step where nothing is filtered.
    fn filtered(&mut self, call: &Call<'_>, filter: Option<ExprId>, step: ExprId) -> Result<ExprId, Stop> {
        let Some(filter) = filter else {
            return Ok(step);
        };
        let unchanged = self.accumulator(call)?;
        self.call(call.offset, "_?_:_", None, &[filter, step, unchanged])
    }

    /// A copy of a tree, so that every node has one place.
    fn copy(&mut self, id: ExprId) -> Result<ExprId, Stop> {
        if self.nodes.len() > MOST_NODES {
            self.found.whole("expression is too large");
            return Err(Stop);
        }
        let mut expr = self.node(id).clone();
        let mut copies = Vec::new();
        let mut ids = Vec::new();
        children(&expr, |child| ids.push(child));
        for child in ids {
            copies.push(self.copy(child)?);
        }
        replace_children(&mut expr, &copies);
        let offset = self.nodes[id.index()].offset;
        self.push(offset, expr)
    }
}

/// Puts other children in the places of a node's own, in the order of [`children`].
fn replace_children(expr: &mut Expr, with: &[ExprId]) {
    let mut with = with.iter().copied();
    let mut put = |place: &mut ExprId| *place = with.next().unwrap_or(*place);
    match expr {
        Expr::Error | Expr::Literal(_) | Expr::Ident(_) => {}
        Expr::Select { operand, .. } => put(operand),
        Expr::Call { target, args, .. } => target.iter_mut().chain(args.iter_mut()).for_each(put),
        Expr::List(items) => items.iter_mut().for_each(|Item { value, .. }| put(value)),
        Expr::Map(entries) => entries.iter_mut().for_each(|Entry { key, value, .. }| {
            put(key);
            put(value);
        }),
        Expr::Struct { fields, .. } => fields.iter_mut().for_each(|Field { value, .. }| put(value)),
        Expr::Fold(fold) => {
            put(&mut fold.range);
            put(&mut fold.init);
            put(&mut fold.condition);
            put(&mut fold.step);
            put(&mut fold.result);
        }
    }
}

/// `has(a.b)`
fn has(parser: &mut Parser<'_>, call: &Call<'_>) -> Expanded {
    let Expr::Select {
        operand,
        field,
        test: false,
    } = parser.node(call.args[0]).clone()
    else {
        return Ok(Err(
            parser.malformed(call.args[0], "invalid argument to has() macro")
        ));
    };
    let test = Expr::Select {
        operand,
        field,
        test: true,
    };
    parser.push(call.offset, test).map(Ok)
}
