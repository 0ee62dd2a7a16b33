//! A place in an object that is being validated: what stands there, and the path that an error names.

use std::ops::Deref;

use schema::cursor::Ref;
use schema::field::{BadValue, Error, Errors, Path};

use crate::internal::bad_value;

/// A [`Ref`] that knows where it is.
///
/// Places are chained on the stack, and a path is written only when there is an error: nearly all
/// requests are valid, and a pod has hundreds of fields.
#[derive(Clone, Copy, Debug)]
pub struct Place<'p, 'a> {
    parent: Option<&'p Self>,
    step: Step<'p>,
    at: Ref<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Step<'p> {
    Root,
    Name(&'p str),
    Index(usize),
    Key(&'p str),
}

impl<'a> Deref for Place<'_, 'a> {
    type Target = Ref<'a>;

    fn deref(&self) -> &Ref<'a> {
        &self.at
    }
}

impl<'p, 'a> Place<'p, 'a> {
    /// The object itself.
    pub const fn root(object: Ref<'a>) -> Self {
        let (parent, step) = (None, Step::Root);
        Self {
            parent,
            step,
            at: object,
        }
    }

    /// What stands here, without the path.
    pub const fn value(&self) -> Ref<'a> {
        self.at
    }

    /// The same place with another value: the old object's, or one that the program made.
    #[must_use]
    pub const fn holding(&self, at: Ref<'a>) -> Self {
        Self { at, ..*self }
    }

    /// The member of this name, or at the end of these names joined by dots.
    pub fn child<'c>(&'c self, name: &'c str) -> Place<'c, 'a> {
        self.step(Step::Name(name), self.at.path(name))
    }

    /// The item of the list here.
    pub const fn index(&self, index: usize, item: Ref<'a>) -> Place<'_, 'a> {
        self.step(Step::Index(index), item)
    }

    /// The entry of the map here.
    pub fn key<'c>(&'c self, key: &'c str) -> Place<'c, 'a> {
        self.step(Step::Key(key), self.at.at(key))
    }

    /// Another thing that belongs here in a path: a member that the tree calls differently.
    pub const fn named<'c>(&'c self, name: &'c str, at: Ref<'a>) -> Place<'c, 'a> {
        self.step(Step::Name(name), at)
    }

    /// The items of the list here.
    pub fn each(&self) -> impl ExactSizeIterator<Item = Place<'_, 'a>> {
        let items = self.at.items().enumerate();
        items.map(move |(index, item)| self.index(index, item))
    }

    /// The entries of the map here.
    pub fn each_entry(&self) -> impl ExactSizeIterator<Item = (&'a str, Place<'_, 'a>)> {
        let entries = self.at.entries();
        entries.map(move |(key, value)| (key, self.step(Step::Key(key), value)))
    }

    const fn step<'c>(&'c self, step: Step<'c>, at: Ref<'a>) -> Place<'c, 'a> {
        let parent = Some(self);
        Place { parent, step, at }
    }

    /// The path to here.
    pub fn path(&self) -> Path {
        let parent = self.parent.map_or_else(Path::root, Place::path);
        match self.step {
            Step::Root => parent,
            Step::Name(name) => parent.child(name),
            Step::Index(index) => parent.index(index),
            Step::Key(key) => parent.key(key),
        }
    }

    /// `Required value`
    pub fn required(&self, errors: &mut Errors, detail: &str) {
        errors.push(Error::required(&self.path(), detail));
    }

    /// `Required value` if what stands here is empty. Whether it is there.
    pub fn require(&self, errors: &mut Errors, detail: &str) -> bool {
        let there = !self.is_empty();
        if !there {
            self.required(errors, detail);
        }
        there
    }

    /// `Invalid value` of what stands here.
    pub fn invalid(&self, errors: &mut Errors, detail: impl Into<String>) {
        errors.push(Error::invalid(&self.path(), self.bad(), detail));
    }

    /// `Invalid value` of another value than what stands here.
    pub fn invalid_value(&self, errors: &mut Errors, value: impl Into<BadValue>, detail: impl Into<String>) {
        errors.push(Error::invalid(&self.path(), value, detail));
    }

    /// `Unsupported value` of what stands here.
    pub fn not_supported(&self, errors: &mut Errors, supported: &[&str]) {
        errors.push(Error::not_supported(&self.path(), self.bad(), supported));
    }

    /// `Forbidden`
    pub fn forbidden(&self, errors: &mut Errors, detail: impl Into<String>) {
        errors.push(Error::forbidden(&self.path(), detail));
    }

    /// `Duplicate value` of what stands here.
    pub fn duplicate(&self, errors: &mut Errors) {
        errors.push(Error::duplicate(&self.path(), self.bad()));
    }

    /// `Not found` of what stands here.
    pub fn not_found(&self, errors: &mut Errors) {
        errors.push(Error::not_found(&self.path(), self.bad()));
    }

    /// `Too long`
    pub fn too_long(&self, errors: &mut Errors, max: usize) {
        errors.push(Error::too_long(&self.path(), max));
    }

    /// `Too many` items here.
    pub fn too_many(&self, errors: &mut Errors, max: usize) {
        errors.push(Error::too_many(&self.path(), self.len(), max));
    }

    /// `Invalid value` for each text that the rule has about the text here.
    pub fn check(&self, errors: &mut Errors, rule: fn(&str) -> Vec<String>) {
        self.all_invalid(errors, rule(self.str()));
    }

    /// `Invalid value` for each of the texts.
    pub fn all_invalid(&self, errors: &mut Errors, texts: Vec<String>) {
        texts.into_iter().for_each(|text| self.invalid(errors, text));
    }

    /// What stands here as an error shows it: a text that is absent is the empty one.
    pub(crate) fn bad(&self) -> BadValue {
        if self.at.exists() {
            bad_value(self.at)
        } else {
            "".into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schema::BUILTIN;
    use schema::json::{Options, decode};
    use schema::resource::type_of_kind;

    #[test]
    fn an_error_names_the_place() {
        let json = br#"{"metadata":{"labels":{"a.b/c":"x"}},"spec":{"containers":[{},{"name":"c"}]}}"#;
        let ty = type_of_kind("", "v1", "Pod").unwrap();
        let pod = decode(&BUILTIN, ty, json, Options::default()).unwrap().object;
        let mut errors = Errors::new();
        let root = Place::root(Ref::new(&BUILTIN, &pod));
        let containers = root.child("spec.containers");
        containers.each().for_each(|container| {
            container.child("name").require(&mut errors, "");
            container.child("name").invalid(&mut errors, "bad");
        });
        root.child("metadata")
            .child("labels")
            .key("a.b/c")
            .duplicate(&mut errors);
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "spec.containers[0].name: Required value",
                r#"spec.containers[0].name: Invalid value: "": bad"#,
                r#"spec.containers[1].name: Invalid value: "c": bad"#,
                r#"metadata.labels[a.b/c]: Duplicate value: "x""#,
            ]
        );
    }
}
