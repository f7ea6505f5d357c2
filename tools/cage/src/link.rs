//! What both sides know of wasmtime: the settings of its engine, what a component is linked to, and its type as it states it itself.

use wasmtime::component::types::{ComponentFunc, ComponentInstance, ComponentItem, Type};
use wasmtime::component::{Component, Linker, ResourceType};
use wasmtime::{Config, Engine};

use crate::error::CageError;
use crate::handles::{self, InputFile, MovableFile, OutputFile, PlaceName};
use crate::limits::{Limit, Limits};
use crate::mind;
use crate::shape::{Function, Handle, Shape};
use crate::state::State;
use crate::wasi;

/// Only what Rust guests for wasm32-wasip2 need. Each feature left out is code of the compiler that no component reaches. Compiler and
/// loader must say the same, or the loader takes nothing.
pub(crate) fn settings(limits: &Limits) -> Config {
    let mut config = Config::new();
    config
        .consume_fuel(true)
        .max_wasm_stack(limits.stack_bytes)
        .generate_address_map(false) // places of traps in the guest's code: nobody is shown any
        .native_unwind_info(false)
        .memory_init_cow(false) // would want files in memory, one for each memory
        .wasm_tail_call(false)
        .wasm_simd(false)
        .wasm_relaxed_simd(false)
        .wasm_memory64(false)
        .wasm_wide_arithmetic(false)
        .wasm_custom_page_sizes(false)
        .wasm_component_model_map(false);
    config
}

/// The handles, questions to the model, the little of WASI that it imports, and traps for the rest.
pub(crate) fn link(engine: &Engine, code: &Component) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    handles::link(&mut linker)?;
    mind::link(&mut linker)?;
    for (name, _) in code.component_type().imports(engine) {
        wasi::link(&mut linker, name)?;
    }
    linker.define_unknown_imports_as_traps(code)?;
    Ok(linker)
}

/// Every exported function with its type.
pub(crate) fn reflect(
    engine: &Engine,
    code: &Component,
    linker: &Linker<State>,
    limits: &Limits,
) -> Result<Vec<Function>, CageError> {
    let ty = linker
        .substituted_component_type(code)
        .map_err(|e| CageError::NotAComponent(format!("{e:#}")))?;
    let mut functions = Vec::new();
    for (interface, item) in ty.exports(engine) {
        let ComponentItem::ComponentInstance(instance) = item.ty else {
            return Err(CageError::Export {
                export: interface.escape_debug().to_string(),
            });
        };
        functions_of(engine, interface, &instance, limits, &mut functions)?;
    }
    Ok(functions)
}

fn functions_of(
    engine: &Engine,
    interface: &str,
    instance: &ComponentInstance,
    limits: &Limits,
    into: &mut Vec<Function>,
) -> Result<(), CageError> {
    for (name, item) in instance.exports(engine) {
        match item.ty {
            ComponentItem::ComponentFunc(ty) if !ty.async_() => {
                into.push(function(interface, name, &ty, limits)?)
            }
            ComponentItem::Type(_) | ComponentItem::Resource(_) => {}
            _ => {
                return Err(CageError::Export {
                    export: format!("{interface}#{name}").escape_debug().to_string(),
                });
            }
        }
    }
    Ok(())
}

fn function(
    interface: &str,
    name: &str,
    ty: &ComponentFunc,
    limits: &Limits,
) -> Result<Function, CageError> {
    let params = ty
        .params()
        .map(|(name, ty)| Ok((name.to_string(), shape(&ty, limits.nesting)?)));
    let params = params.collect::<Result<_, CageError>>()?;
    let result = ty
        .results()
        .next()
        .map(|ty| shape(&ty, limits.nesting))
        .transpose()?;
    Ok(Function {
        interface: interface.into(),
        name: name.into(),
        params,
        result,
    })
}

fn shape(ty: &Type, depth: usize) -> Result<Shape, CageError> {
    let depth = depth
        .checked_sub(1)
        .ok_or(CageError::Limit(Limit::Nesting))?;
    let boxed = |ty: Type| shape(&ty, depth).map(Box::new);
    Ok(match ty {
        Type::Bool => Shape::Bool,
        Type::U8 => Shape::Unsigned(8),
        Type::U16 => Shape::Unsigned(16),
        Type::U32 => Shape::Unsigned(32),
        Type::U64 => Shape::Unsigned(64),
        Type::S8 => Shape::Signed(8),
        Type::S16 => Shape::Signed(16),
        Type::S32 => Shape::Signed(32),
        Type::S64 => Shape::Signed(64),
        Type::Float32 => Shape::Float(32),
        Type::Float64 => Shape::Float(64),
        Type::Char => Shape::Char,
        Type::String => Shape::Text,
        Type::List(of) => Shape::List(boxed(of.ty())?),
        Type::Option(of) => Shape::Option(boxed(of.ty())?),
        Type::Result(of) => Shape::Result(
            of.ok().map(boxed).transpose()?,
            of.err().map(boxed).transpose()?,
        ),
        Type::Record(of) => Shape::Record(
            of.fields()
                .map(|f| Ok((f.name.to_string(), shape(&f.ty, depth)?)))
                .collect::<Result<_, CageError>>()?,
        ),
        Type::Enum(of) => Shape::Enum(of.names().map(str::to_string).collect()),
        Type::Own(resource) => handle(*resource),
        Type::Borrow(_) => Shape::Foreign("borrow"),
        Type::Tuple(_) => Shape::Foreign("tuple"),
        Type::Variant(_) => Shape::Foreign("variant"),
        Type::Flags(_) => Shape::Foreign("flags"),
        _ => Shape::Foreign("async or fixed-length type"),
    })
}

fn handle(resource: ResourceType) -> Shape {
    let known = [
        (ResourceType::host::<InputFile>(), Handle::Input),
        (ResourceType::host::<OutputFile>(), Handle::Output),
        (ResourceType::host::<MovableFile>(), Handle::Movable),
        (ResourceType::host::<PlaceName>(), Handle::Place),
    ];
    known
        .iter()
        .find(|(ty, _)| *ty == resource)
        .map_or(Shape::Foreign("resource"), |(_, handle)| {
            Shape::Handle(*handle)
        })
}
