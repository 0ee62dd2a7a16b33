//! The tree of an expression, in one arena.
//!
//! Nodes are numbered in the order they were made, so what later passes learn of a node (its type, its cost)
//! lies in a plain vector beside the tree.

/// A node's position in the arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ExprId(pub(crate) u32);

impl ExprId {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// A parsed expression, macros expanded.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ast {
    pub(crate) nodes: Vec<Node>,
    pub(crate) root: ExprId,
}

/// A node and the byte of the source to which complaints about it point.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) offset: u32,
    pub(crate) expr: Expr,
}

/// One node.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expr {
    /// Something malformed, which has been complained about.
    Error,
    /// A constant.
    Literal(Literal),
    /// A name; with a leading dot, one that is not looked for in the scope.
    Ident(Box<str>),
    /// `operand.field`, or, of the macro `has`, whether there is such a field.
    Select {
        /// What has the field.
        operand: ExprId,
        /// The field's name.
        field: Box<str>,
        /// Whether only its presence is asked for.
        test: bool,
    },
    /// A function, operator or method.
    Call {
        /// The function's name: operators are `_+_`, `!_`, `_?_:_`.
        function: Box<str>,
        /// What stands before the dot.
        target: Option<ExprId>,
        /// What stands in parentheses.
        args: Box<[ExprId]>,
    },
    /// `[a, ?b]`
    List(Box<[Item]>),
    /// `{k: v, ?k: v}`
    Map(Box<[Entry]>),
    /// `Name{field: v}`
    Struct {
        /// The type's name.
        name: Box<str>,
        /// Its fields.
        fields: Box<[Field]>,
    },
    /// What macros over lists and maps become.
    Fold(Box<Fold>),
}

/// A constant.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// `1`
    Int(i64),
    /// `1u`
    Uint(u64),
    /// `1.0`
    Double(f64),
    /// `'text'`
    String(Box<str>),
    /// `b'bytes'`
    Bytes(Box<[u8]>),
}

/// An item of a list.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Item {
    /// The item.
    pub(crate) value: ExprId,
    /// Whether it is an optional, to be left out if it has no value.
    pub(crate) optional: bool,
}

/// An entry of a map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Entry {
    /// The key.
    pub(crate) key: ExprId,
    /// The value.
    pub(crate) value: ExprId,
    /// Whether the value is an optional.
    pub(crate) optional: bool,
    /// Where the colon is.
    pub(crate) offset: u32,
}

/// A field of an object that is made.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Field {
    /// Its name.
    pub(crate) name: Box<str>,
    /// Its value.
    pub(crate) value: ExprId,
    /// Whether the value is an optional.
    pub(crate) optional: bool,
    /// Where the colon is.
    pub(crate) offset: u32,
}

/// A loop over a list or map with one value that is carried along.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fold {
    /// The item, or the map's key; of two variables the index or key.
    pub(crate) var: Box<str>,
    /// The second variable: the item or the map's value.
    pub(crate) second: Option<Box<str>>,
    /// What is looped over.
    pub(crate) range: ExprId,
    /// The name of what is carried along.
    pub(crate) accumulator: Box<str>,
    /// Its first value.
    pub(crate) init: ExprId,
    /// Whether to go on.
    pub(crate) condition: ExprId,
    /// Its next value.
    pub(crate) step: ExprId,
    /// What the loop amounts to.
    pub(crate) result: ExprId,
}

/// The name that macros give to what a loop carries along; no identifier can be it.
pub(crate) const ACCUMULATOR: &str = "@result";

impl Ast {
    /// The node of the whole expression.
    pub(crate) fn root(&self) -> ExprId {
        self.root
    }

    /// A node.
    pub(crate) fn expr(&self, id: ExprId) -> &Expr {
        &self.nodes[id.index()].expr
    }

    pub(crate) fn offset(&self, id: ExprId) -> u32 {
        self.nodes[id.index()].offset
    }

    /// The dotted name that a chain of fields spells, if it is nothing else: `a.b.c`.
    pub(crate) fn qualified_name(&self, id: ExprId) -> Option<String> {
        match self.expr(id) {
            Expr::Ident(name) => Some(name.to_string()),
            Expr::Select {
                operand,
                field,
                test: false,
            } => Some(format!("{}.{field}", self.qualified_name(*operand)?)),
            _ => None,
        }
    }
}

/// Hands out a node's children, in the order of the text.
pub(crate) fn children(expr: &Expr, mut take: impl FnMut(ExprId)) {
    match expr {
        Expr::Error | Expr::Literal(_) | Expr::Ident(_) => {}
        Expr::Select { operand, .. } => take(*operand),
        Expr::Call { target, args, .. } => target.iter().chain(args).for_each(|id| take(*id)),
        Expr::List(items) => items.iter().for_each(|item| take(item.value)),
        Expr::Map(entries) => entries.iter().for_each(|entry| {
            take(entry.key);
            take(entry.value);
        }),
        Expr::Struct { fields, .. } => fields.iter().for_each(|field| take(field.value)),
        Expr::Fold(fold) => {
            let Fold {
                range,
                init,
                condition,
                step,
                result,
                ..
            } = **fold;
            [range, init, condition, step, result].into_iter().for_each(take);
        }
    }
}
