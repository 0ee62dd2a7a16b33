//! The type checker: what each node's type is, what names mean, and what is wrong.
//!
//! The rules and texts are those of cel-go's checker with Kubernetes' settings: lists and maps written out are of
//! one type, numbers compare across types.

mod scope;
mod unify;
mod validate;

use scope::Scope;
pub(crate) use scope::{Name, Variable};
use unify::{Bindings, most_general};

use crate::issue::{Found, Issues};
use crate::library::{self, Declared, Function};
use crate::syntax::ast::{Ast, Entry, Expr, ExprId, Field, Fold, Item, Literal};
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

    fn select(&mut self, id: ExprId, operand: ExprId, field: &str, test: bool) -> Type {
        let qualified = (!test).then(|| self.ast.qualified_name(id)).flatten();
        if let Some(name) = qualified
            && let Some((meaning, ty)) = self.scope.find(&name)
        {
            self.meanings[id.index()] = Some(Meaning::Name(meaning));
            return ty;
        }
        let ty = self.field(id, operand, field, false);
        if test {
            Type::Bool
        } else {
            self.bindings.resolve(&ty, false)
        }
    }

    /// The type of a field; of an optional's field, an optional.
    fn field(&mut self, id: ExprId, operand: ExprId, field: &str, optional: bool) -> Type {
        let operand = self.check(operand);
        let operand = self.bindings.resolve(&operand, false);
        let (target, is_optional) = match &operand {
            Type::Optional(of) => (&**of, true),
            other => (other, false),
        };
        let ty = match target {
            Type::Map(entry) => entry.1.clone(),
            Type::Object(object) => match object.field(field) {
                Some(decl) => decl.ty(),
                None => {
                    self.at(id, format!("undefined field '{field}'"));
                    Type::Error
                }
            },
            Type::Var(_) => {
                self.bindings.assignable(&Type::Dyn, target);
                Type::Dyn
            }
            target => {
                if !target.is_dyn_or_error() {
                    self.at(id, format!("type '{target}' does not support field selection"));
                }
                Type::Dyn
            }
        };
        if optional || is_optional {
            Type::optional(ty)
        } else {
            ty
        }
    }

    fn call(&mut self, id: ExprId, function: &str, target: Option<ExprId>, args: &[ExprId]) -> Type {
        if function == "_?._" {
            return self.optional_select(id, args);
        }
        for arg in args {
            self.check(*arg);
        }
        let qualified = target.and_then(|target| self.ast.qualified_name(target));
        if let Some(prefix) = qualified
            && let Some(found) = library::named(&format!("{prefix}.{function}"))
        {
            return self.resolve(id, &format!("{prefix}.{function}"), found, None, args);
        }
        if let Some(target) = target {
            self.check(target);
        }
        match library::named(function.trim_start_matches('.')) {
            Some(found) => self.resolve(id, function, found, target, args),
            None => self.undeclared(id, function),
        }
    }

    fn optional_select(&mut self, id: ExprId, args: &[ExprId]) -> Type {
        let [operand, name] = args else {
            return Type::Error;
        };
        let Expr::Literal(Literal::String(field)) = self.ast.expr(*name).clone() else {
            return Type::Error;
        };
        self.types[name.index()] = Type::String;
        let ty = self.field(id, *operand, &field, true);
        self.bindings.resolve(&ty, false)
    }

    /// Finds the overloads that take these arguments; of several, the result is what they have in common.
    fn resolve(
        &mut self,
        id: ExprId,
        name: &str,
        functions: &'static [Declared],
        target: Option<ExprId>,
        args: &[ExprId],
    ) -> Type {
        let given: Vec<Type> = target
            .iter()
            .chain(args)
            .map(|arg| self.types[arg.index()].clone())
            .collect();
        if matches!(name, "_&&_" | "_||_") {
            return self.logical(id, functions, args, &given);
        }
        let mut result: Option<Type> = None;
        let mut chosen = None;
        for declared in functions {
            for signature in &declared.signatures {
                if signature.member != target.is_some() || signature.parameters.len() != given.len() {
                    continue;
                }
                let fresh: Vec<Type> = (0..signature.variables).map(|_| self.bindings.fresh()).collect();
                let parameters: Vec<Type> = signature
                    .parameters
                    .iter()
                    .map(|ty| instantiate(ty, &fresh))
                    .collect();
                if !self.bindings.assign_all(&given, &parameters) {
                    continue;
                }
                chosen = chosen.or(Some(declared.function));
                let ty = self
                    .bindings
                    .resolve(&instantiate(&signature.result, &fresh), false);
                result = Some(match result {
                    Some(earlier) if earlier != ty => Type::Dyn,
                    _ => ty,
                });
            }
        }
        match (chosen, result) {
            (Some(function), Some(ty)) => {
                self.meanings[id.index()] = Some(Meaning::Function(functions, function, target.is_some()));
                ty
            }
            _ => self.no_overload(id, name, &given, target.is_some()),
        }
    }

    fn logical(
        &mut self,
        id: ExprId,
        functions: &'static [Declared],
        args: &[ExprId],
        given: &[Type],
    ) -> Type {
        let mut fits = true;
        for (arg, ty) in args.iter().zip(given) {
            if !self.bindings.assignable(ty, &Type::Bool) {
                self.mismatch(*arg, &Type::Bool, ty);
                fits = false;
            }
        }
        if let Some(declared) = functions.first() {
            self.meanings[id.index()] = Some(Meaning::Function(functions, declared.function, false));
        }
        if fits { Type::Bool } else { Type::Error }
    }

    fn no_overload(&mut self, id: ExprId, name: &str, given: &[Type], member: bool) -> Type {
        let mut texts = given.iter().map(|ty| self.bindings.resolve(ty, true).to_string());
        let target = if member { texts.next() } else { None };
        let target = target.map_or(String::new(), |target| format!("{target}."));
        let signature = format!("{target}({})", texts.collect::<Vec<_>>().join(", "));
        let message = format!("found no matching overload for '{name}' applied to '{signature}'");
        self.at(id, message);
        Type::Error
    }

    fn list(&mut self, items: &[Item]) -> Type {
        let mut common = None;
        for item in items {
            let ty = self.check(item.value);
            let ty = self.unwrap(item.value, ty, item.optional);
            common = Some(self.join(item.value, common, ty));
        }
        Type::list(common.unwrap_or_else(|| self.bindings.fresh()))
    }

    fn map(&mut self, entries: &[Entry]) -> Type {
        let mut keys = None;
        let mut values = None;
        for entry in entries {
            let key = self.check(entry.key);
            keys = Some(self.join(entry.key, keys, key));
            let value = self.check(entry.value);
            let value = self.unwrap(entry.value, value, entry.optional);
            values = Some(self.join(entry.value, values, value));
        }
        let key = keys.unwrap_or_else(|| self.bindings.fresh());
        let value = values.unwrap_or_else(|| self.bindings.fresh());
        Type::map(key, value)
    }

    /// What is in the optional that an element marked with `?` has to be.
    fn unwrap(&mut self, id: ExprId, ty: Type, optional: bool) -> Type {
        if !optional {
            return ty;
        }
        match self.bindings.resolve(&ty, false) {
            Type::Optional(of) => (*of).clone(),
            Type::Dyn => Type::Dyn,
            other => {
                self.mismatch(id, &Type::optional(other.clone()), &other);
                other
            }
        }
    }

    /// The type of elements of which some are of the one type and this is of the other.
    fn join(&mut self, id: ExprId, earlier: Option<Type>, ty: Type) -> Type {
        let Some(earlier) = earlier else {
            return ty;
        };
        if self.bindings.assignable(&earlier, &ty) {
            return most_general(&earlier, &ty).clone();
        }
        self.mismatch(id, &earlier, &ty);
        Type::Error
    }

    fn object(&mut self, id: ExprId, name: &str, fields: &[Field]) -> Type {
        let Some(object) = self.objects.find(name) else {
            return self.undeclared(id, name);
        };
        for field in fields {
            let value = self.check(field.value);
            let value = self.unwrap(field.value, value, field.optional);
            let Some(decl) = object.field(&field.name) else {
                self.found
                    .at(field.offset, format!("undefined field '{}'", field.name));
                continue;
            };
            let wanted = decl.ty();
            if !self.bindings.assignable(&wanted, &value) {
                let value = self.bindings.resolve(&value, true);
                let message = format!(
                    "expected type of field '{}' is '{wanted}' but provided type is '{value}'",
                    field.name
                );
                self.found.at(field.offset, message);
            }
        }
        Type::Object(object)
    }

    fn fold(&mut self, id: ExprId, fold: &Fold) -> Type {
        let range = self.check(fold.range);
        let accumulator = self.check(fold.init);
        let range = self.bindings.resolve(&range, false);
        let mark = self.scope.mark();
        let first = self.scope.push(&fold.accumulator, accumulator.clone());
        self.meanings[id.index()] = Some(Meaning::Locals(first));
        let (one, two) = self.loop_types(fold, &range);
        let inner = self.scope.mark();
        match &fold.second {
            None => {
                self.scope
                    .push(&fold.var, if matches!(range, Type::List(_)) { two } else { one });
            }
            Some(second) => {
                self.scope.push(&fold.var, one);
                self.scope.push(second, two);
            }
        }
        let condition = self.check(fold.condition);
        self.assert(fold.condition, &Type::Bool, &condition);
        let step = self.check(fold.step);
        self.assert(fold.step, &accumulator, &step);
        self.scope.release(inner);
        let result = self.check(fold.result);
        self.scope.release(mark);
        self.bindings.resolve(&result, false)
    }

    /// The types of keys or indices, and of values or items.
    fn loop_types(&mut self, fold: &Fold, range: &Type) -> (Type, Type) {
        match range {
            Type::List(item) => (Type::Int, (**item).clone()),
            Type::Map(entry) => (**entry).clone(),
            Type::Dyn | Type::Error | Type::Var(_) => {
                self.bindings.assignable(&Type::Dyn, range);
                (Type::Dyn, Type::Dyn)
            }
            other => {
                let message = format!(
                    "expression of type '{other}' cannot be range of a comprehension (must be list, map, or dynamic)"
                );
                self.at(fold.range, message);
                (Type::Error, Type::Error)
            }
        }
    }

    fn assert(&mut self, id: ExprId, wanted: &Type, found: &Type) {
        if !self.bindings.assignable(wanted, found) {
            self.mismatch(id, wanted, found);
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

/// A signature's type with the caller's for its variables.
fn instantiate(ty: &Type, fresh: &[Type]) -> Type {
    match ty {
        Type::Var(number) => fresh.get(*number as usize).cloned().unwrap_or(Type::Dyn),
        other => other.with(|parameter| instantiate(parameter, fresh)),
    }
}
