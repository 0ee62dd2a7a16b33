use schema::BUILTIN;
use schema::cursor::Ref;
use schema::json::{Options, decode};
use schema::resource::type_of_kind;
use schema::tree::Struct;

use super::labels::forbidden;

fn node(labels: &str) -> Struct {
    let json = format!(r#"{{"metadata":{{"labels":{labels}}}}}"#);
    let ty = type_of_kind("", "v1", "Node").unwrap();
    decode(&BUILTIN, ty, json.as_bytes(), Options::default())
        .unwrap()
        .object
}

#[test]
fn a_node_labels_itself_with_what_it_knows() {
    let old = node(r#"{"kubernetes.io/os":"linux","x.kubernetes.io/kept":"1"}"#);
    for (labels, wrong) in [
        (r#"{"kubernetes.io/os":"linux","x.kubernetes.io/kept":"1"}"#, ""),
        (
            r#"{"kubernetes.io/os":"plan9","x.kubernetes.io/kept":"1","example.com/mine":"1","node.kubernetes.io/a":"1","a.kubelet.kubernetes.io/b":"1"}"#,
            "",
        ),
        (r#"{"kubernetes.io/os":"linux"}"#, "x.kubernetes.io/kept"),
        (
            r#"{"kubernetes.io/os":"linux","x.kubernetes.io/kept":"1","node-restriction.kubernetes.io/a":"1","k8s.io/b":"1","notk8s.io/b":"1"}"#,
            "k8s.io/b node-restriction.kubernetes.io/a",
        ),
    ] {
        let new = node(labels);
        let found: Vec<&str> = forbidden(Ref::new(&BUILTIN, &new), Ref::new(&BUILTIN, &old))
            .into_iter()
            .collect();
        assert_eq!(found.join(" "), wrong, "{labels}");
    }
}
