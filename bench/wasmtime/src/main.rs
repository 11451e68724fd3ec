//! Runs a component of the world `alga:extension` in Wasmtime, as well as Wasmtime can, for comparison with the runner's engine.
//! It is told what to do in lines, so that its rounds take turns with the engine's: `measure.ts` speaks to it.

use std::fs::File;
use std::io::{Read, Write, stdin, stdout};
use std::sync::LazyLock;
use std::time::{Duration, Instant};
use wasmtime::component::{Component, HasSelf, Linker, ResourceTable};
use wasmtime::{Config, Enabled, Engine, PoolingAllocationConfig, Result, Store, bail, ensure};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "bench:wasmtime/guest",
    inline: "
        package bench:wasmtime;
        world guest {
            use alga:extension/types.{execute-request, execute-response};
            import alga:extension/logging;
            import alga:extension/random;
            import alga:extension/storage;
            export handler: func(request: execute-request) -> execute-response;
        }",
});

use alga::extension::types::{ContextData, HttpHeader, HttpRequest, StorageEntry, StorageError};
use alga::extension::{logging, random, storage, types};

static RANDOM: LazyLock<File> = LazyLock::new(|| File::open("/dev/urandom").expect("/dev/urandom opens"));
const MEMORY_BYTES: usize = 64 << 20;
const EPOCH: Duration = Duration::from_millis(10);
const EPOCHS_OF_A_CALL: u64 = 6_000;

/// What was tried for a new instance per call, with both guests. It helps: the scan, which needs `keep_resident` (half of the time
/// without), and tables kept resident. It harms StarlingMonkey: `keep_resident` without the scan (a quarter more time than neither),
/// tables filled at once (`table_lazy_init`, three times). No difference was seen with more memory kept, inlining, batches of
/// decommits, or images in a memfd. Link-time optimisation gives a twentieth. Calls are synchronous, so none needs a stack of its own.
/// What is left: a scan answers with 32 runs of dirty pages, a constant of Wasmtime's; what StarlingMonkey writes beyond is given back
/// and faults again.
fn create_engine() -> Result<Engine> {
    let mut pool = PoolingAllocationConfig::new();
    // The slot that was used last is taken again, so one is what the calls use; the rest costs nothing.
    pool.total_component_instances(16)
        .total_core_instances(256)
        .total_memories(16)
        .total_tables(64)
        .max_memory_size(MEMORY_BYTES)
        .linear_memory_keep_resident(4 << 20)
        .table_keep_resident(1 << 20)
        .pagemap_scan(Enabled::Auto);
    let mut config = Config::new();
    config.allocation_strategy(pool).epoch_interruption(true).concurrency_support(false);
    Engine::new(&config)
}

struct State {
    wasi: WasiCtx,
    table: ResourceTable,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl types::Host for State {}

impl logging::Host for State {
    fn log_info(&mut self, _: String) {}
    fn log_warn(&mut self, _: String) {}
    fn log_error(&mut self, _: String) {}
}

impl random::Host for State {
    fn get_random_bytes(&mut self, len: u32) -> Vec<u8> {
        let mut bytes = vec![0; len as usize];
        (&*RANDOM).read_exact(&mut bytes).expect("the system has random bytes");
        bytes
    }
    fn get_random_u64(&mut self) -> u64 {
        self.get_random_bytes(8).iter().fold(0, |drawn, &byte| drawn << 8 | u64::from(byte))
    }
}

/// What the engine's bench answers: one record, whatever is asked.
impl storage::Host for State {
    fn get(&mut self, _: String, _: String) -> Result<StorageEntry, StorageError> {
        Ok(StorageEntry {
            namespace: "counters".into(),
            key: "one".into(),
            value: b"1".to_vec(),
            revision: Some(1),
        })
    }
    fn put(&mut self, entry: StorageEntry) -> Result<StorageEntry, StorageError> {
        Ok(entry)
    }
    fn delete(&mut self, _: String, _: String) -> Result<(), StorageError> {
        Ok(())
    }
    fn list_entries(&mut self, _: String, _: Option<String>) -> Result<Vec<StorageEntry>, StorageError> {
        Ok(vec![])
    }
}

fn request(url: &str, body: &str) -> ExecuteRequest {
    let header = HttpHeader { name: "content-type".into(), value: "application/json".into() };
    ExecuteRequest {
        context: ContextData {
            request_id: None,
            tenant_id: "t".into(),
            extension_id: "e".into(),
            install_id: None,
            version_id: None,
        },
        http: HttpRequest {
            method: "POST".into(),
            url: url.into(),
            headers: vec![header],
            body: Some(body.into()),
        },
    }
}

/// An instance in a store of its own, with nothing granted.
fn instantiate(engine: &Engine, guest: &GuestPre<State>) -> Result<(Store<State>, Guest)> {
    let state = State { wasi: WasiCtxBuilder::new().build(), table: ResourceTable::new() };
    let mut store = Store::new(engine, state);
    store.set_epoch_deadline(EPOCHS_OF_A_CALL);
    let instance = guest.instantiate(&mut store)?;
    Ok((store, instance))
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let (file, body) = match &arguments[..] {
        [_, file, body] => (file, body),
        [_, version] if version == "--version" => {
            println!("bench-wasmtime {}", env!("CARGO_PKG_VERSION"));
            return Ok(());
        }
        _ => bail!("usage: bench-wasmtime <component> <body of the requests>"),
    };
    let engine = create_engine()?;
    let ticking = engine.clone();
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(EPOCH);
            ticking.increment_epoch();
        }
    });
    let compiled = format!("{file}.compiled");
    std::fs::write(&compiled, engine.precompile_component(&std::fs::read(file)?)?)?;
    // SAFETY: it is what was compiled a line above.
    let component = unsafe { Component::deserialize_file(&engine, compiled)? };
    let mut linker = Linker::<State>::new(&engine);
    wasmtime_wasi::p2::add_to_linker_sync(&mut linker)?;
    Guest::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    let guest = GuestPre::new(linker.instantiate_pre(&component)?)?;
    let (mut store, live) = instantiate(&engine, &guest)?;

    let mut call = |instance: &str, url: &str| -> Result<ExecuteResponse> {
        let response = match instance {
            "new" => {
                let (mut store, new) = instantiate(&engine, &guest)?;
                new.call_handler(&mut store, &request(url, body))?
            }
            "live" => {
                store.set_epoch_deadline(EPOCHS_OF_A_CALL);
                live.call_handler(&mut store, &request(url, body))?
            }
            _ => bail!("there is no instance {instance}"),
        };
        ensure!(response.status == 200, "{url}: {response:?}");
        Ok(response)
    };

    for line in stdin().lines() {
        let line = line?;
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["answer", instance, url] => {
                let response = call(instance, url)?;
                let body = String::from_utf8(response.body.unwrap_or_default())?;
                println!("{} {body}", response.status);
            }
            ["time", instance, url, calls] => {
                let calls: u32 = calls.parse()?;
                let started = Instant::now();
                for _ in 0..calls {
                    call(instance, url)?;
                }
                println!("{}", started.elapsed().as_secs_f64() * 1e6 / f64::from(calls));
            }
            _ => bail!("cannot read {line}"),
        }
        stdout().flush()?;
    }
    Ok(())
}
