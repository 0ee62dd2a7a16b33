use super::*;
use crate::cache::Cache;
use crate::driver::{Driver, Options};
use crate::executor::Executor;
use crate::output::Output;
use crate::{Progress, context};
use ::driver::{ManualClock, Rng, SimDisk, SystemClock};
use tokio::sync::{mpsc, watch};

impl Executor for FileSteps {
    fn find(&self, reference: &str) -> Result<Option<Base>, BuildError> {
        Self::find(self, reference)
    }
    fn hold(&self, id: &Digest) -> Result<Option<Base>, BuildError> {
        Self::hold(self, id)
    }
    fn tree(&self, image: Option<&Digest>) -> Result<Arc<dyn Tree>, BuildError> {
        Self::tree(self, image)
    }
    async fn carry_out(&self, step: Step, _: &Output) -> Result<Base, BuildError> {
        Self::carry_out(self, step).await
    }
}

fn tar(files: &[(&str, &str)]) -> std::fs::File {
    use std::io::Seek as _;
    let mut builder = tar::Builder::new(tempfile::tempfile().unwrap());
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        builder.append_data(&mut header, name, content.as_bytes()).unwrap();
    }
    let mut file = builder.into_inner().unwrap();
    file.rewind().unwrap();
    file
}

#[test]
fn a_scratch_build() {
    let dir = tempfile::tempdir().unwrap();
    let options = store::Options { first_segment: 1 << 20, segment: 1 << 20, ..store::Options::default() };
    let store: Arc<dyn store::Store> = Arc::new(
        store::Embedded::open(SimDisk::new().dir(), Arc::new(ManualClock::new()), Rng::from_seed(1), options).unwrap(),
    );
    let clock = Arc::new(SystemClock::new());
    let images = Images::open(
        image::Config { content: dir.path().join("c"), snapshots: dir.path().join("s"), limits: image::Limits::default() },
        store.clone(),
        Arc::new(image::Inline),
        clock.clone(),
    )
    .unwrap();
    let cache = Arc::new(Cache::open(store, clock).unwrap());
    let file = tar(&[
        ("Dockerfile", "FROM scratch AS a\nCOPY a d/b /x/\nCOPY d /y\nWORKDIR /w/z\nCOPY --chown=1:2 a ./\nFROM scratch\nCOPY --from=a / /\nCMD [\"/x/a\"]\n"),
        ("a", "1"),
        ("d/b", "2"),
    ]);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for i in 0..3 {
        let start = std::time::Instant::now();
        let (text, id) = runtime.block_on(async {
            let (sender, mut receiver) = mpsc::channel(1024);
            let (_alive, caller) = watch::channel(());
            let output = Output::new(sender, caller, false);
            let context::Opened::Tree(tree) = context::look(crate::BuildContext::Archive(file.try_clone().unwrap())).unwrap() else { panic!() };
            let (tree, dockerfile) = context::open(tree, "").unwrap();
            let files = Arc::new(FileSteps::begin(images.clone(), format!("b{i}"), dir.path().join(format!("b{i}"))).unwrap());
            let options = Options { rm: true, ..Options::default() };
            let id = Driver::new(files.clone(), cache.clone(), output, tree, options).build(dockerfile).await;
            Arc::into_inner(files).unwrap().keep().unwrap();
            let mut text = String::new();
            while let Some(Progress::Stream(part)) = receiver.recv().await {
                text.push_str(&part);
            }
            (text, id)
        });
        println!("{text}\n{id:?} {:?}", start.elapsed());
        let image = images.get(&id.unwrap()).unwrap();
        println!("{:#?}", image.config);
        let tree = DirectoryTree::new(images.view(&image.id).unwrap().mount().unwrap());
        crate::tree::walk::<std::io::Error>(&tree, std::path::Path::new(""), &mut |path, entry| {
            println!("{path:?} {:o} {}:{} {:?}", entry.mode, entry.uid, entry.gid, entry.kind);
            Ok(crate::tree::Descend::Yes)
        })
        .unwrap();
    }
}
