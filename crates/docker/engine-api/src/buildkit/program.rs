//! A frontend that is a program of an image: a container whose standard input and output are its connection.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use ::buildkit::{Built, Code, Program, Status};
use bytes::Bytes;
use engine::spec::{
    ContainerSpec, EndpointSettings, LogDriver, MountKind, MountSpec, NetworkMode, Networking,
};
use engine::{Attach, Attached, ContainerId, Create, Engine, ImageRef, Owner, Remove, Stream, WaitCondition};
use image::ImageConfig;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

use super::origin::failed;
use crate::api::blocking;
use crate::error::ApiError;

/// What is run if an image does not say.
const RUN: &str = "/run";
/// The label of an image whose frontend needs no network.
const NO_NETWORK: &str = "moby.buildkit.frontend.network.none";
/// Where a frontend finds its own definition.
const METADATA: &str = "/run/config/buildkit/metadata";
/// Bytes that are handed over at once.
const PIECE: usize = 32 << 10;

/// Runs a frontend until it ends. Whoever drops the future ends it.
///
/// # Errors
/// It could not be run, or has failed.
pub(super) async fn run((engine, directory): (Engine, PathBuf), program: Program) -> Result<(), Status> {
    let Program {
        image,
        env,
        definition,
        stream,
        said,
    } = program;
    let metadata = Metadata::write(&directory, definition).await?;
    let mut spec = spec(&image, env)?;
    spec.mounts.push(metadata.mount());
    let command = spec.args.join(" ");
    let created = engine.create(Create {
        name: None,
        spec,
        image: Some(ImageRef {
            reference: image.image.clone(),
            id: image.image.clone(),
        }),
        owner: Owner::Build,
        door: serde_json::Value::Null,
    });
    let id = created.await.map_err(failed)?.id;
    let container = Container {
        engine: engine.clone(),
        id: Some(id.clone()),
    };
    let ended = speak(&engine, &id, stream, &said).await;
    container.remove().await?;
    drop(metadata);
    match ended {
        Ok(0) => {
            said.done(false);
            Ok(())
        }
        Ok(code) => {
            let sentence = format!("process {command:?} did not complete successfully: exit code: {code}");
            said.failed(&*sentence);
            Err(Status::new(Code::Unknown, sentence))
        }
        Err(status) => {
            said.failed(&*status.message);
            Err(status)
        }
    }
}

/// What a frontend finds of itself in its files; it goes with this.
struct Metadata(PathBuf);

impl Metadata {
    async fn write(directory: &Path, definition: Bytes) -> Result<Self, Status> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let metadata = Self(directory.join(format!("frontend-{number}")));
        let place = metadata.0.clone();
        let written = blocking(move || {
            let written = std::fs::create_dir_all(&place)
                .and_then(|()| std::fs::write(place.join("frontend.bin"), &definition));
            written.map_err(|cause| ApiError::internal(format!("a frontend's definition: {cause}")))
        });
        written
            .await
            .map_err(|error| Status::new(Code::Internal, error.message))?;
        Ok(metadata)
    }

    fn mount(&self) -> MountSpec {
        MountSpec {
            target: METADATA.to_owned(),
            read_only: true,
            kind: MountKind::Bind {
                source: self.0.to_string_lossy().into_owned(),
                propagation: None,
                non_recursive: false,
                read_only_non_recursive: false,
                create_source: false,
            },
        }
    }
}

impl Drop for Metadata {
    fn drop(&mut self) {
        // What stays is removed when the builder is opened again.
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// A container that is removed, whatever becomes of whoever waits for it.
struct Container {
    engine: Engine,
    id: Option<ContainerId>,
}

const REMOVE: Remove = Remove {
    force: true,
    volumes: true,
};

impl Container {
    async fn remove(mut self) -> Result<(), Status> {
        match self.id.take() {
            Some(id) => self.engine.remove(&id, REMOVE).await.map(drop).map_err(failed),
            None => Ok(()),
        }
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if let Some(id) = self.id.take() {
            let engine = self.engine.clone();
            tokio::spawn(async move {
                if let Err(cause) = engine.remove(&id, REMOVE).await {
                    tracing::debug!(%cause, "removing a frontend's container");
                }
            });
        }
    }
}

fn spec(image: &Built, env: Vec<String>) -> Result<ContainerSpec, Status> {
    let config = ImageConfig::parse(&image.config).map_err(failed)?.config;
    let off = config
        .labels
        .get(NO_NETWORK)
        .is_some_and(|value| matches!(&**value, "1" | "true"));
    let network = match off {
        true => Networking {
            mode: NetworkMode::None,
            ..Networking::default()
        },
        false => Networking {
            endpoints: vec![("bridge".to_owned(), EndpointSettings::default())],
            ..Networking::default()
        },
    };
    let entrypoint = config.entrypoint.filter(|words| !words.is_empty());
    let mut all = config.env;
    all.extend(env);
    Ok(ContainerSpec {
        args: entrypoint.unwrap_or_else(|| vec![RUN.to_owned()]),
        env: all,
        cwd: config.working_dir,
        open_stdin: true,
        stdin_once: true,
        network,
        log: LogDriver::None,
        ..ContainerSpec::default()
    })
}

/// Starts it and carries bytes both ways until it has ended. Gives its code.
async fn speak(
    engine: &Engine,
    id: &ContainerId,
    stream: DuplexStream,
    said: &::buildkit::Step,
) -> Result<i32, Status> {
    let streams = Attach {
        stdin: true,
        stdout: true,
        stderr: true,
        stream: true,
        ..Attach::default()
    };
    let Attached {
        mut output, input, ..
    } = engine.attach(id, streams).await.map_err(failed)?;
    engine.start(id).await.map_err(failed)?;
    let (mut reader, mut writer) = tokio::io::split(stream);
    let give = async move {
        let Some(input) = input else { return };
        let mut piece = vec![0; PIECE];
        while let Ok(read @ 1..) = reader.read(&mut piece).await {
            if input.write(Bytes::copy_from_slice(&piece[..read])).await.is_err() {
                break;
            }
        }
        // Its input ends with what speaks to it.
        input.close();
        std::future::pending::<()>().await;
    };
    let take = async {
        // What nobody hears any more is thrown away, so that the program does not wait.
        while let Some((from, bytes)) = output.recv().await {
            match from {
                Stream::Stdout => drop(writer.write_all(&bytes).await),
                Stream::Stderr => said.output(2, &bytes),
            }
        }
        drop(writer.shutdown().await);
    };
    tokio::select! {
        () = give => {}
        () = take => {}
    }
    let exit = engine.wait(id, WaitCondition::NotRunning).await;
    exit.map(|exit| exit.code).map_err(failed)
}
