//! Calls: which overloads of a function take the arguments, and what they give.

use super::{Checker, Meaning};
use crate::library::{self, Declared, Function, Signature};
use crate::syntax::ast::ExprId;
use crate::types::Type;

impl Checker<'_> {
    pub(super) fn call(
        &mut self,
        id: ExprId,
        function: &str,
        target: Option<ExprId>,
        args: &[ExprId],
    ) -> Type {
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
        match self.fitting(functions, &given, target.is_some()) {
            Some((function, ty)) => {
                self.meanings[id.index()] = Some(Meaning::Function(functions, function, target.is_some()));
                ty
            }
            None => self.no_overload(id, name, &given, target.is_some()),
        }
    }

    /// The first function with an overload that fits, and what all overloads that fit have in common.
    fn fitting(
        &mut self,
        functions: &'static [Declared],
        given: &[Type],
        member: bool,
    ) -> Option<(&'static Function, Type)> {
        let mut found: Option<(&'static Function, Type)> = None;
        for declared in functions {
            for signature in &declared.signatures {
                if signature.member != member {
                    continue;
                }
                let Some(ty) = self.apply(signature, given) else {
                    continue;
                };
                found = Some(match found {
                    Some((first, earlier)) if earlier != ty => (first, Type::Dyn),
                    Some((first, _)) => (first, ty),
                    None => (declared.function, ty),
                });
            }
        }
        found
    }

    /// What an overload gives for arguments of these types, if it takes them.
    fn apply(&mut self, signature: &Signature, given: &[Type]) -> Option<Type> {
        if signature.parameters.len() != given.len() {
            return None;
        }
        let fresh: Vec<Type> = (0..signature.variables).map(|_| self.bindings.fresh()).collect();
        let parameters: Vec<Type> = signature
            .parameters
            .iter()
            .map(|ty| instantiate(ty, &fresh))
            .collect();
        if !self.bindings.assign_all(given, &parameters) {
            return None;
        }
        let result = instantiate(&signature.result, &fresh);
        Some(self.bindings.resolve(&result, false))
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
}

/// A signature's type with the caller's for its variables.
fn instantiate(ty: &Type, fresh: &[Type]) -> Type {
    match ty {
        Type::Var(number) => fresh.get(*number as usize).cloned().unwrap_or(Type::Dyn),
        other => other.with(|parameter| instantiate(parameter, fresh)),
    }
}
