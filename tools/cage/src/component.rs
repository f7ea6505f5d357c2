//! Compiling a component, stating its type, and refusing its imports. Nothing of it is run here: what is compiled waits in memory that
//! nobody can change, for the cage's process.

use std::fs::File;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use wasmtime::Engine;
use wasmtime::component::types::ComponentItem;

use crate::error::CageError;
use crate::handles;
use crate::limits::{Limit, Limits};
use crate::link;
use crate::mind;
use crate::shape::Function;
use crate::wasi;

/// A compiled component whose imports and exports have been looked at.
#[derive(Debug)]
pub struct Component {
    code: File,
    bytes: u64,
    functions: Vec<Function>,
    asks: bool,
}

impl Component {
    /// Compile `bytes`, refuse any import outside the allow-list, and reflect the exported functions.
    ///
    /// Compiling a hostile component may take long (no fuel bounds it), so do it for pinned ones, or once when one is added.
    ///
    /// # Errors
    /// [`CageError`] naming the import or export that is not allowed, or what did not compile.
    pub fn compile(bytes: &[u8], limits: &Limits) -> Result<Component, CageError> {
        if bytes.len() > limits.component_bytes {
            return Err(CageError::Limit(Limit::Memory));
        }
        let compiler = compiler(limits)?;
        let code = wasmtime::component::Component::from_binary(&compiler, bytes)
            .map_err(|e| CageError::NotAComponent(format!("{e:#}")))?;
        check_imports(&compiler, &code)?;
        let linker = link::link(&compiler, &code).map_err(CageError::engine)?;
        let functions = link::reflect(&compiler, &code, &linker, limits)?;
        let compiled = code.serialize().map_err(CageError::engine)?;
        Ok(Component {
            asks: imports(&compiler, &code, mind::INTERFACE),
            ..Component::compiled(&compiled, functions)?
        })
    }

    /// What [`Component::compile`] made earlier, with the functions that it found. The bytes are machine code: who calls this knows by a digest
    /// that [`engine`] made them, and that nobody changed them since.
    ///
    /// # Errors
    /// [`CageError::Memory`] where the system has no memory that can be sealed.
    pub fn compiled(code: &[u8], functions: Vec<Function>) -> Result<Component, CageError> {
        Ok(Component {
            code: sealed("cloister-component", code, MemfdFlags::empty())?,
            bytes: code.len() as u64,
            functions,
            asks: false,
        })
    }

    /// Every exported function with its type, as the component states it.
    pub fn functions(&self) -> &[Function] {
        &self.functions
    }

    /// Whether [`Component::compile`] found that it imports what asks the model. What was compiled earlier was looked at then.
    pub fn asks_model(&self) -> bool {
        self.asks
    }

    /// What it was compiled to.
    ///
    /// # Errors
    /// What the system said while its own memory was read.
    pub fn code(&self) -> std::io::Result<Vec<u8>> {
        let mut code = vec![0; usize::try_from(self.bytes).map_err(std::io::Error::other)?];
        self.code.read_exact_at(&mut code, 0)?;
        Ok(code)
    }

    pub(crate) fn file(&self) -> &File {
        &self.code
    }

    /// Length of the compiled code.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// What compiled code depends on besides the component: wasmtime's version and settings, and the instructions of this processor. Code of one
/// engine is loaded by the same one only. 64 bits, for telling apart and not for trust.
///
/// # Errors
/// [`CageError::Engine`] where this machine has no compiler for itself.
pub fn engine() -> Result<String, CageError> {
    let mut hasher = DefaultHasher::new();
    let compiler = compiler(&Limits::STANDARD)?;
    compiler.precompile_compatibility_hash().hash(&mut hasher);
    Ok(format!("{:016x}", hasher.finish()))
}

fn compiler(limits: &Limits) -> Result<Engine, CageError> {
    let mut settings = link::settings(limits);
    settings.cranelift_nan_canonicalization(true); // the same bits on every machine
    Engine::new(&settings).map_err(CageError::engine)
}

/// A file in memory that holds these bytes for good: nobody can write, grow or shrink it.
pub(crate) fn sealed(name: &str, bytes: &[u8], flags: MemfdFlags) -> Result<File, CageError> {
    let flags = flags | MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut file = File::from(memfd_create(name, flags).map_err(CageError::memory)?);
    file.write_all(bytes).map_err(CageError::memory)?;
    let for_good = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    fcntl_add_seals(&file, for_good).map_err(CageError::memory)?;
    Ok(file)
}

fn imports(engine: &Engine, code: &wasmtime::component::Component, wanted: &str) -> bool {
    let all = code.component_type();
    all.imports(engine).any(|(name, _)| name == wanted)
}

fn check_imports(engine: &Engine, code: &wasmtime::component::Component) -> Result<(), CageError> {
    for (name, item) in code.component_type().imports(engine) {
        let allowed = [handles::INTERFACE, mind::INTERFACE].contains(&name) || wasi::allowed(name);
        if !allowed || !matches!(item.ty, ComponentItem::ComponentInstance(_)) {
            return Err(CageError::Import {
                import: name.escape_debug().to_string(),
            });
        }
    }
    Ok(())
}
