//! The type checker: what each node's type is, what names mean, and what is wrong.
//!
//! The rules and texts are those of cel-go's checker with Kubernetes' settings: lists and maps written out are of
//! one type, numbers compare across types.

mod call;
mod fold;
mod make;
mod scope;
mod select;
mod unify;
mod validate;

use scope::Scope;
pub(crate) use scope::{Name, Variable};
use unify::Bindings;

use crate::issue::{Found, Issues};
use crate::library::{Declared, Function};
use crate::syntax::ast::{Ast, Expr, ExprId, Literal};
use crate::types::{Object, Type};
use std::sync::Arc;

/// What the checker found out.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) ast: Ast,
    /// The type of each node.
    pub(crate) types: Vec<Type>,
    /// What names and calls mean, by node.
    pub(crate) meanings: Vec<Option<Meaning>>,
    /// How many local variables there are at once.
    pub(crate) locals: usize,
}

/// What a node refers to.
#[derive(Clone, Debug)]
pub(crate) enum Meaning {
    /// A variable, a local variable or a type.
    Name(Name),
    /// A function, and whether the target is its first argument; it is not where it is a part of the name.
    Function(&'static [Declared], &'static Function, bool),
    /// The first of a loop's local variables: the accumulator; then the loop's.
    Locals(usize),
}

impl std::fmt::Debug for Declared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.function.name)
    }
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// Finds the types of all nodes.
pub(crate) fn check(
    source: &str,
    ast: Ast,
    variables: &[Variable],
    objects: &Objects,
) -> Result<Checked, Issues> {
    let mut checker = Checker {
        types: vec![Type::Error; ast.nodes.len()],
        meanings: vec![None; ast.nodes.len()],
        ast: &ast,
        bindings: Bindings::default(),
        scope: Scope::new(variables),
        objects,
        found: Found::new(source),
    };
    checker.check(ast.root());
    validate::literals(&mut checker.found, &ast, &checker.meanings);
    let Checker {
        types,
        meanings,
        bindings,
        scope,
        found,
        ..
    } = checker;
    let locals = scope.most_locals();
    found.finish()?;
    let types = types.iter().map(|ty| bindings.resolve(ty, true)).collect();
    Ok(Checked {
        types,
        meanings,
        locals,
        ast,
    })
}

/// Which object types an expression may make.
#[derive(Clone, Debug, Default)]
pub(crate) enum Objects {
    /// None.
    #[default]
    None,
    /// `Object`, `Object.spec` and so on, with any fields; and `JSONPatch`.
    Mutation,
}

impl Objects {
    fn find(&self, name: &str) -> Option<Arc<Object>> {
        let name = name.trim_start_matches('.');
        let known = matches!(self, Self::Mutation)
            && (name == "Object" || name.starts_with("Object.") || name == "JSONPatch");
        known.then(|| crate::mutation::object_type(name))
    }
}

struct Checker<'c> {
    ast: &'c Ast,
    types: Vec<Type>,
    meanings: Vec<Option<Meaning>>,
    bindings: Bindings,
    scope: Scope<'c>,
    objects: &'c Objects,
    found: Found<'c>,
}

impl Checker<'_> {
    /// Checks a node, and gives its type with what is known by now.
    fn check(&mut self, id: ExprId) -> Type {
        let ty = match self.ast.expr(id).clone() {
            Expr::Error => Type::Error,
            Expr::Literal(literal) => literal_type(&literal),
            Expr::Ident(name) => self.ident(id, &name),
            Expr::Select { operand, field, test } => self.select(id, operand, &field, test),
            Expr::Call {
                function,
                target,
                args,
            } => self.call(id, &function, target, &args),
            Expr::List(items) => self.list(&items),
            Expr::Map(entries) => self.map(&entries),
            Expr::Struct { name, fields } => self.object(id, &name, &fields),
            Expr::Fold(fold) => self.fold(id, &fold),
        };
        self.types[id.index()] = ty.clone();
        ty
    }

    fn at(&mut self, id: ExprId, message: String) {
        let offset = self.ast.offset(id);
        self.found.at(offset, message);
    }

    fn undeclared(&mut self, id: ExprId, name: &str) -> Type {
        self.at(id, format!("undeclared reference to '{name}' (in container '')"));
        Type::Error
    }

    fn mismatch(&mut self, id: ExprId, expected: &Type, found: &Type) {
        let [expected, found] = [expected, found].map(|ty| self.bindings.resolve(ty, false));
        self.at(id, format!("expected type '{expected}' but found '{found}'"));
    }

    fn ident(&mut self, id: ExprId, name: &str) -> Type {
        match self.scope.find(name) {
            Some((meaning, ty)) => {
                self.meanings[id.index()] = Some(Meaning::Name(meaning));
                ty
            }
            None => self.undeclared(id, name),
        }
    }
}

fn literal_type(literal: &Literal) -> Type {
    match literal {
        Literal::Null => Type::Null,
        Literal::Bool(_) => Type::Bool,
        Literal::Int(_) => Type::Int,
        Literal::Uint(_) => Type::Uint,
        Literal::Double(_) => Type::Double,
        Literal::String(_) => Type::String,
        Literal::Bytes(_) => Type::Bytes,
    }
}
