//! Reading and changing a tree by the names that people use.
//!
//! Defaults, validation, table cells and strategies speak of `spec.template.spec`, not of slots. A
//! [`Ref`] that leads nowhere is still a [`Ref`], and reads as Go's zero value, so rules are written
//! without a question mark at each step. Custom resources are read by the same names: where a tree
//! has no rows it is a map.

use crate::row::{Kind, TypeId, Types};
use crate::tree::{Map, Struct, Value};

/// A place in an object, there or not.
#[derive(Clone, Copy, Debug)]
pub struct Ref<'a> {
    types: &'a Types,
    at: At<'a>,
}

#[derive(Clone, Copy, Debug)]
enum At<'a> {
    Nothing,
    Object(&'a Struct),
    Value(&'a Value),
}

impl<'a> Ref<'a> {
    /// The object itself.
    pub fn new(types: &'a Types, object: &'a Struct) -> Self {
        let at = At::Object(object);
        Self { types, at }
    }

    /// A value somewhere in an object of these types.
    pub fn of(types: &'a Types, value: &'a Value) -> Self {
        Self::from_value(types, Some(value))
    }

    /// A place where nothing is.
    pub fn nothing(types: &'a Types) -> Self {
        Self::from_value(types, None)
    }

    fn from_value(types: &'a Types, value: Option<&'a Value>) -> Self {
        let at = match value {
            None => At::Nothing,
            Some(Value::Struct(object)) => At::Object(object),
            Some(value) => At::Value(value),
        };
        Self { types, at }
    }

    /// The table that the object's types are in.
    pub fn types(self) -> &'a Types {
        self.types
    }

    /// The member, or the map's entry, of this name.
    #[must_use]
    pub fn at(self, name: &str) -> Self {
        let value = match self.at {
            At::Object(object) => member(self.types, object, name),
            At::Value(Value::Map(map)) => map.get(name),
            _ => None,
        };
        Self::from_value(self.types, value)
    }

    /// The member at the end of a path of names joined by dots (`spec.template.spec`). Keys of maps may
    /// have dots of their own: use [`Self::at`].
    #[must_use]
    pub fn path(self, path: &str) -> Self {
        path.split('.').fold(self, Self::at)
    }

    /// Whether there is anything here. A member held by value that is zero is not there: Go cannot tell
    /// either.
    pub fn exists(self) -> bool {
        !matches!(self.at, At::Nothing)
    }

    /// The object here, if it is one with rows.
    pub fn object(self) -> Option<&'a Struct> {
        match self.at {
            At::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The value here, if it is not an object with rows.
    pub fn value(self) -> Option<&'a Value> {
        match self.at {
            At::Value(value) => Some(value),
            _ => None,
        }
    }

    /// What is here, to be put elsewhere.
    pub fn cloned(self) -> Option<Value> {
        match self.at {
            At::Nothing => None,
            At::Object(object) => Some(Value::Struct(Box::new(object.clone()))),
            At::Value(value) => Some(value.clone()),
        }
    }

    /// The text here; empty if there is none.
    pub fn str(self) -> &'a str {
        self.text().unwrap_or_default()
    }

    /// The text here, where absent and empty differ.
    pub fn text(self) -> Option<&'a str> {
        self.value().and_then(Value::as_str)
    }

    /// The integer here; zero if there is none.
    pub fn int(self) -> i64 {
        self.integer().unwrap_or_default()
    }

    /// The integer here, where absent and zero differ.
    pub fn integer(self) -> Option<i64> {
        self.value().and_then(Value::as_int)
    }

    /// The boolean here; false if there is none.
    pub fn bool(self) -> bool {
        self.boolean().unwrap_or_default()
    }

    /// The boolean here, where absent and false differ.
    pub fn boolean(self) -> Option<bool> {
        match self.value() {
            Some(Value::Bool(value)) => Some(*value),
            _ => None,
        }
    }

    /// The list's items.
    pub fn items(self) -> impl ExactSizeIterator<Item = Self> + DoubleEndedIterator + use<'a> {
        let items: &[Value] = match self.at {
            At::Value(Value::List(items)) => items,
            _ => &[],
        };
        items.iter().map(move |item| Self::of(self.types, item))
    }

    /// The texts of a list of texts.
    pub fn strings(self) -> impl ExactSizeIterator<Item = &'a str> + use<'a> {
        self.items().map(Self::str)
    }

    /// The map's entries, by key.
    pub fn entries(self) -> impl ExactSizeIterator<Item = (&'a str, Self)> + use<'a> {
        let entries = match self.at {
            At::Value(Value::Map(map)) => map.entries(),
            _ => &[],
        };
        entries
            .iter()
            .map(move |(key, value)| (&**key, Self::of(self.types, value)))
    }

    /// How many items, entries, bytes or characters are here.
    pub fn len(self) -> usize {
        match self.value() {
            Some(Value::List(items)) => items.len(),
            Some(Value::Map(map)) => map.entries().len(),
            Some(Value::Str(text)) => text.len(),
            Some(Value::Bytes(bytes)) => bytes.len(),
            _ => 0,
        }
    }

    /// Whether nothing is here, or something that Go calls empty.
    pub fn is_empty(self) -> bool {
        match self.at {
            At::Nothing => true,
            At::Object(object) => object.is_empty(),
            At::Value(value) => value.is_empty(),
        }
    }

    /// What is here as JSON; `null` if nothing is.
    pub fn json(self) -> String {
        let mut out = Vec::new();
        match self.at {
            At::Nothing => out.extend_from_slice(b"null"),
            At::Object(object) => crate::json::encode(self.types, object, &mut out),
            At::Value(value) => crate::json::encode_value(self.types, value, &mut out),
        }
        String::from_utf8_lossy(&out).into_owned()
    }
}

/// The same thing in both places, in whichever objects they are.
impl PartialEq for Ref<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self.at, other.at) {
            (At::Nothing, At::Nothing) => true,
            (At::Object(one), At::Object(other)) => one == other,
            (At::Value(one), At::Value(other)) => one == other,
            _ => false,
        }
    }
}

fn member<'a>(types: &Types, object: &'a Struct, name: &str) -> Option<&'a Value> {
    match types.slot(object.ty, name, 0) {
        Some(slot) => object.get(slot),
        None => match object.get(types.rest(object.ty)?) {
            Some(Value::Map(rest)) => rest.get(name),
            _ => None,
        },
    }
}

/// What stands at a path, to be changed.
pub fn get_mut<'a>(types: &Types, object: &'a mut Struct, path: &str) -> Option<&'a mut Value> {
    let (parent, slot) = find(types, object, path)?;
    parent.get_mut(slot)
}

/// Sets what stands at a path, making the objects on the way. A name that no row has sets nothing: paths are
/// written in the program and tested there.
pub fn set(types: &Types, object: &mut Struct, path: &str, value: Value) {
    let (mut parents, name) = split(path);
    let parent = parents.try_fold(object, |object, name| enter(types, object, name));
    if let Some(parent) = parent
        && let Some(slot) = types.slot(parent.ty, name, 0)
    {
        parent.set(slot, value);
    }
}

/// Sets what stands at a path unless something does.
pub fn set_default(types: &Types, object: &mut Struct, path: &str, value: Value) {
    if get_mut(types, object, path).is_none() {
        set(types, object, path, value);
    }
}

/// Takes out what stands at a path.
pub fn remove(types: &Types, object: &mut Struct, path: &str) -> Option<Value> {
    let (parent, slot) = find(types, object, path)?;
    parent.remove(slot)
}

/// The object at a path, made (with those on the way) if it is not there; none if a name has no row or is not
/// an object's.
pub fn ensure<'a>(types: &Types, object: &'a mut Struct, path: &str) -> Option<&'a mut Struct> {
    path.split('.')
        .try_fold(object, |object, name| enter(types, object, name))
}

/// Does something with each object of the list at a path.
pub fn each_mut(types: &Types, object: &mut Struct, path: &str, mut act: impl FnMut(&mut Struct)) {
    if let Some(Value::List(items)) = get_mut(types, object, path) {
        items
            .iter_mut()
            .filter_map(Value::as_struct_mut)
            .for_each(&mut act);
    }
}

/// The map at a path (labels, annotations), made if it is not there.
pub fn map_mut<'a>(types: &Types, object: &'a mut Struct, path: &str) -> Option<&'a mut Map> {
    if get_mut(types, object, path).is_none() {
        set(types, object, path, Value::Map(Box::default()));
    }
    match get_mut(types, object, path) {
        Some(Value::Map(map)) => Some(map),
        _ => None,
    }
}

/// The object that the path's last member belongs to, and the member's slot.
fn find<'a>(types: &Types, object: &'a mut Struct, path: &str) -> Option<(&'a mut Struct, usize)> {
    let (mut parents, name) = split(path);
    let parent = parents.try_fold(object, |object, name| {
        object.get_mut(types.slot(object.ty, name, 0)?)?.as_struct_mut()
    })?;
    let slot = types.slot(parent.ty, name, 0)?;
    Some((parent, slot))
}

fn enter<'a>(types: &Types, object: &'a mut Struct, name: &str) -> Option<&'a mut Struct> {
    let slot = types.slot(object.ty, name, 0)?;
    if object.get(slot).is_none() {
        object.set(
            slot,
            Value::Struct(Box::new(Struct::new(struct_of(types, object.ty, slot)?))),
        );
    }
    object.get_mut(slot)?.as_struct_mut()
}

fn struct_of(types: &Types, ty: TypeId, slot: usize) -> Option<TypeId> {
    let field = types.fields(ty).get(slot)?;
    (types.form(field).kind == Kind::Struct).then_some(field.ty)
}

fn split(path: &str) -> (std::str::Split<'_, char>, &str) {
    match path.rsplit_once('.') {
        Some((parents, name)) => (parents.split('.'), name),
        None => {
            let mut none = "".split('.');
            none.next();
            (none, path)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BUILTIN;
    use crate::json::{Options, decode};
    use crate::resource::type_of_kind;

    fn pod() -> Struct {
        let json = br#"{"metadata":{"name":"a","labels":{"x.y/z":"1"}},"spec":{"hostNetwork":true,
            "containers":[{"name":"c","ports":[{"containerPort":80}]}],"terminationGracePeriodSeconds":0}}"#;
        let ty = type_of_kind("", "v1", "Pod").unwrap();
        decode(&BUILTIN, ty, json, Options::default()).unwrap().object
    }

    #[test]
    fn what_is_there_is_read_and_what_is_not_is_zero() {
        let pod = pod();
        let pod = Ref::new(&BUILTIN, &pod);
        assert_eq!(pod.path("metadata.name").str(), "a");
        assert_eq!(pod.path("metadata.labels").at("x.y/z").str(), "1");
        assert!(pod.path("spec.hostNetwork").bool());
        assert_eq!(pod.path("spec.terminationGracePeriodSeconds").integer(), Some(0));
        assert_eq!(pod.path("spec.activeDeadlineSeconds").integer(), None);
        assert_eq!(pod.path("no.such.place").str(), "");
        let container = pod.path("spec.containers").items().next().unwrap();
        assert_eq!(container.at("ports").json(), r#"[{"containerPort":80}]"#);
        assert!(!pod.path("spec.volumes").exists());
    }

    #[test]
    fn what_is_set_is_there_and_makes_its_way() {
        let mut pod = pod();
        set(&BUILTIN, &mut pod, "status.phase", Value::str("Pending"));
        set_default(&BUILTIN, &mut pod, "metadata.name", Value::str("b"));
        let labels = map_mut(&BUILTIN, &mut pod, "metadata.annotations").unwrap();
        labels.insert("k", Value::str("v"));
        each_mut(&BUILTIN, &mut pod, "spec.containers", |container| {
            set(&BUILTIN, container, "image", Value::str("i"));
        });
        let read = Ref::new(&BUILTIN, &pod);
        assert_eq!(read.path("status.phase").str(), "Pending");
        assert_eq!(read.path("metadata.name").str(), "a");
        assert_eq!(read.path("metadata.annotations.k").str(), "v");
        assert_eq!(
            read.path("spec.containers")
                .items()
                .next()
                .unwrap()
                .at("image")
                .str(),
            "i"
        );
        assert_eq!(
            remove(&BUILTIN, &mut pod, "status.phase"),
            Some(Value::str("Pending"))
        );
        assert!(ensure(&BUILTIN, &mut pod, "spec.securityContext").is_some_and(|it| it.is_empty()));
        assert!(ensure(&BUILTIN, &mut pod, "spec.nodeName").is_none());
    }
}
