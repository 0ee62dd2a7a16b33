//! Custom resources, as upstream's `crd.sh` uses them: every printer, every patch, apply of what is nested and listed.

use super::{Fails, Has, Lacks, Out, Step, walk};

const DEFINITIONS: &str = "\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: foos.company.com}
spec:
  group: company.com
  scope: Namespaced
  names: {plural: foos, kind: Foo}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: bars.company.com}
spec:
  group: company.com
  scope: Namespaced
  names: {plural: bars, kind: Bar}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: resources.mygroup.example.com}
spec:
  group: mygroup.example.com
  scope: Namespaced
  names: {plural: resources, singular: resource, kind: Kind, listKind: KindList}
  versions: [{name: v1alpha1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: validfoos.company.com}
spec:
  group: company.com
  scope: Namespaced
  names: {plural: validfoos, kind: ValidFoo, shortNames: [vf], categories: [all]}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {count: {type: integer, minimum: 1}, size: {type: integer}}}, status: {type: object, properties: {replicas: {type: integer}}}}}}
    subresources: {status: {}, scale: {specReplicasPath: .spec.size, statusReplicasPath: .status.replicas}}
    additionalPrinterColumns: [{name: Count, type: integer, jsonPath: .spec.count}, {name: Age, type: date, jsonPath: .metadata.creationTimestamp}]
";
const OBJECT: &str = "apiVersion: mygroup.example.com/v1alpha1\nkind: Kind\nmetadata: {name: myobj}\n";
const FOO: &str = "\
apiVersion: company.com/v1
kind: Foo
metadata: {name: test, labels: {pruneGroup: 'true'}}
someField: field1
nestedField: {someSubfield: subfield1, otherSubfield: subfield2}
";
const FOO_UPDATED: &str = "\
apiVersion: company.com/v1
kind: Foo
metadata: {name: test, labels: {pruneGroup: 'true'}}
someField: field1
nestedField: {someSubfield: modifiedSubfield, otherSubfield: subfield2}
";
const FOO_SHORTER: &str = "\
apiVersion: company.com/v1
kind: Foo
metadata: {name: test, labels: {pruneGroup: 'true'}}
someField: field1
nestedField: {someSubfield: modifiedSubfield, newSubfield: subfield3}
";
const MANY: &str = "\
apiVersion: v1
kind: List
items:
- {apiVersion: company.com/v1, kind: Foo, metadata: {name: test-list}, someField: field1}
- {apiVersion: company.com/v1, kind: Bar, metadata: {name: test-list}, someField: field1}
";
const MANY_UPDATED: &str = "\
apiVersion: v1
kind: List
items:
- {apiVersion: company.com/v1, kind: Foo, metadata: {name: test-list}, someField: modifiedField}
- {apiVersion: company.com/v1, kind: Bar, metadata: {name: test-list}, someField: modifiedField}
";
const VALID: &str =
    "apiVersion: company.com/v1\nkind: ValidFoo\nmetadata: {name: v}\nspec: {count: 3, size: 2}\n";
const INVALID: &str = "apiVersion: company.com/v1\nkind: ValidFoo\nmetadata: {name: w}\nspec: {count: 0}\n";
const NESTED: &str = "get foos/test -o jsonpath={.nestedField}";

#[rustfmt::skip]
const OBJECTS: &[Step] = &[
    ("create -f -", DEFINITIONS, Has(&["customresourcedefinition.apiextensions.k8s.io/foos.company.com created", "validfoos.company.com created"])),
    ("wait --for=condition=Established crd --all --timeout=20s", "", Has(&["condition met"])),
    ("get crds -o name", "", Has(&["customresourcedefinition.apiextensions.k8s.io/bars.company.com\n"])),
    ("get crd foos.company.com", "", Has(&["NAME               CREATED AT"])),
    ("get --raw /apis/company.com/v1", "", Has(&["\"kind\":\"APIResourceList\"", "\"name\":\"foos\""])),
    ("get foos", "", Has(&["No resources found in default namespace."])),
    ("apply --dry-run=server -f -", OBJECT, Out("kind.mygroup.example.com/myobj created (server dry run)\n")),
    ("get resource/myobj", "", Fails("resources.mygroup.example.com \"myobj\" not found")),
    ("create -f -", OBJECT, Out("kind.mygroup.example.com/myobj created\n")),
    ("get resource/myobj -o name", "", Out("kind.mygroup.example.com/myobj\n")),
    ("get kind.mygroup.example.com/myobj -o name", "", Out("kind.mygroup.example.com/myobj\n")),
    ("delete resources myobj --cascade=background", "", Has(&["kind.mygroup.example.com \"myobj\" deleted"])),
    ("create -f -", FOO, Out("foo.company.com/test created\n")),
    ("get foo -o name", "", Out("foo.company.com/test\n")),
    ("get foos.company.com -o name", "", Out("foo.company.com/test\n")),
    ("get foos.v1.company.com -o name", "", Out("foo.company.com/test\n")),
    ("get foos", "", Has(&["NAME   AGE\ntest   "])),
    ("get foos/test -o wide", "", Has(&["NAME   AGE\ntest   "])),
    ("get foos -o json", "", Has(&["\"someField\": \"field1\""])),
    ("get foos -o yaml", "", Has(&["someField: field1"])),
    ("get foos -o jsonpath={.items[*].someField} --allow-missing-template-keys=false", "", Out("field1")),
    ("get foos/test -o go-template={{.someField}} --allow-missing-template-keys=false", "", Out("field1")),
    ("patch foos/test -p {\"patched\":\"value1\"} --type=merge", "", Out("foo.company.com/test patched\n")),
    ("patch foos/test -p {\"patched\":\"value2\"} --type=merge --record", "", Has(&["foo.company.com/test patched"])),
    ("patch foos/test -p [{\"op\":\"replace\",\"path\":\"/patched\",\"value\":\"value3\"}] --type=json", "", Out("foo.company.com/test patched\n")),
    ("get foos/test -o jsonpath={.patched}", "", Out("value3")),
    ("patch foos/test -p {\"patched\":null} --type=merge", "", Out("foo.company.com/test patched\n")),
    ("patch foos/test -p {\"patched\":\"value3\"}", "", Fails("the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml")),
    ("patch --local -f - -p {\"patched\":\"value3\"}", FOO, Fails("try --type merge")),
    ("patch --local -f - -p {\"patched\":\"value3\"} --type=merge -o jsonpath={.patched}", FOO, Out("value3")),
    ("label foos --all listlabel=true", "", Out("foo.company.com/test labeled\n")),
    ("label foo/test itemlabel=true", "", Out("foo.company.com/test labeled\n")),
    ("annotate foo/test itemannotation=true", "", Out("foo.company.com/test annotated\n")),
    ("describe foos", "", Has(&["Name:         test", "listlabel=true", "itemlabel=true", "API Version:  company.com/v1", "Some Field:"])),
    ("'KUBE_EDITOR=sed -i s/field1/edited/' edit foo test", "", Out("foo.company.com/test edited\n")),
    ("get foo test -o jsonpath={.someField}", "", Out("edited")),
    ("delete foos test --cascade=orphan", "", Has(&["foo.company.com \"test\" deleted"])),
    ("apply -f -", FOO, Out("foo.company.com/test created\n")),
    ("apply -f -", FOO, Out("foo.company.com/test unchanged\n")),
    ("apply -f -", FOO_UPDATED, Out("foo.company.com/test configured\n")),
    (NESTED, "", Out("{\"otherSubfield\":\"subfield2\",\"someSubfield\":\"modifiedSubfield\"}")),
    ("apply -f -", FOO_SHORTER, Out("foo.company.com/test configured\n")),
    (NESTED, "", Out("{\"newSubfield\":\"subfield3\",\"someSubfield\":\"modifiedSubfield\"}")),
    ("diff -f -", FOO_SHORTER, Out("")),
    ("apply --server-side --force-conflicts -f -", FOO_UPDATED, Out("foo.company.com/test serverside-applied\n")),
    ("delete -f -", FOO, Has(&["foo.company.com \"test\" deleted"])),
    ("apply -f -", MANY, Out("foo.company.com/test-list created\nbar.company.com/test-list created\n")),
    ("apply -f -", MANY, Out("foo.company.com/test-list unchanged\nbar.company.com/test-list unchanged\n")),
    ("apply -f -", MANY_UPDATED, Out("foo.company.com/test-list configured\nbar.company.com/test-list configured\n")),
    ("get foos,bars -o jsonpath={.items[*].someField}", "", Out("modifiedField modifiedField")),
    ("apply --prune --prune-allowlist=company.com/v1/Foo --prune-allowlist=company.com/v1/Bar -l pruneGroup=true -f -", FOO, Has(&["foo.company.com/test created"])),
    ("delete -f -", MANY, Has(&["foo.company.com \"test-list\" deleted", "bar.company.com \"test-list\" deleted"])),
    ("create -f -", VALID, Out("validfoo.company.com/v created\n")),
    ("create -f -", INVALID, Fails("spec.count: Invalid value: 0: spec.count in body should be greater than or equal to 1")),
    ("get vf", "", Has(&["NAME   COUNT   AGE\nv      3       "])),
    ("get all -o name", "", Has(&["validfoo.company.com/v\n"])),
    ("scale validfoo v --replicas=5", "", Out("validfoo.company.com/v scaled\n")),
    ("get vf v --subresource=scale -o jsonpath={.spec.replicas}", "", Out("5")),
    ("get vf v --subresource=status -o jsonpath={.spec.size}", "", Out("5")),
    ("patch vf v --subresource=status --type=merge -p {\"status\":{\"replicas\":2}}", "", Out("validfoo.company.com/v patched\n")),
    ("wait vf/v --for=jsonpath={.status.replicas}=2 --timeout=5s", "", Out("validfoo.company.com/v condition met\n")),
    ("explain validfoos.spec.count", "", Has(&["FIELD: count <integer>"])),
    ("explain validfoos --output=plaintext-openapiv2", "", Has(&["KIND:     ValidFoo", "VERSION:  company.com/v1"])),
    ("api-resources --api-group=company.com", "", Has(&["validfoos   vf           company.com/v1   true         ValidFoo"])),
    ("create -f -", "apiVersion: company.com/v1\nkind: ValidFoo\nmetadata: {name: x}\nspec: {cuont: 3}\n", Fails("unknown field \"spec.cuont\"")),
    ("get validfoos --field-selector spec.count=3", "", Fails("field label not supported: spec.count")),
    ("delete crd foos.company.com bars.company.com resources.mygroup.example.com validfoos.company.com", "", Has(&["\"foos.company.com\" deleted"])),
    ("get foos", "", Fails("the server could not find the requested resource")),
];

#[test]
fn custom_objects_are_printed_patched_and_applied() {
    walk(OBJECTS);
}

const POD_NAMED: &str = "\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: examples.test.com}
spec:
  group: test.com
  scope: Namespaced
  names: {plural: examples, singular: example, shortNames: [pod], kind: Example}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {test: {type: string}}}}}}}]
";
const EXAMPLE: &str =
    "apiVersion: test.com/v1\nkind: Example\nmetadata: {name: test-crd-example}\nspec: {test: test}\n";
const BOTH: &str = "\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Cluster
  names: {plural: widgets, kind: Widget}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
---
apiVersion: example.com/v1
kind: Widget
metadata: {name: foo}
";
const AGAIN: &str = "\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: widgets, kind: Widget}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
";

#[rustfmt::skip]
const NAMES: &[Step] = &[
    ("create -f -", POD_NAMED, Has(&["examples.test.com created"])),
    ("wait --for=condition=Established crd/examples.test.com --timeout=20s", "", Has(&["condition met"])),
    ("create -f -", EXAMPLE, Out("example.test.com/test-crd-example created\n")),
    ("get examples", "", Has(&["test-crd-example"])),
    ("get pod", "", Lacks(&["test-crd-example"])),
    ("api-resources", "", Has(&["examples"])),
    ("get pod", "", Lacks(&["test-crd-example"])),
    ("delete examples/test-crd-example crd/examples.test.com", "", Has(&["\"test-crd-example\" deleted", "\"examples.test.com\" deleted"])),
    // Definition and object in one file: the second try finds the kind.
    ("apply -f -", BOTH, Fails("no matches for kind \"Widget\" in version \"example.com/v1\"")),
    ("wait --for=condition=Established crd/widgets.example.com --timeout=20s", "", Has(&["condition met"])),
    ("apply -f -", BOTH, Has(&["widgets.example.com unchanged", "widget.example.com/foo created"])),
    ("get widget foo -o name", "", Out("widget.example.com/foo\n")),
    ("delete -f - --ignore-not-found", BOTH, Has(&["\"widgets.example.com\" deleted"])),
    ("api-resources", "", Lacks(&["widgets"])),
    ("apply -f -", AGAIN, Has(&["widgets.example.com created"])),
    ("wait --for=condition=Established crd/widgets.example.com --timeout=20s", "", Has(&["condition met"])),
    ("create -f -", "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: foo, namespace: default}\n", Out("widget.example.com/foo created\n")),
];

#[test]
fn custom_names_hide_nothing() {
    walk(NAMES);
}
