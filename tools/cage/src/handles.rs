//! The host's side of `cloister:tool/handles`: the only way in or out for a component.

use std::io::ErrorKind;

use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentType, Linker, LinkerInstance, Lower, Resource, ResourceType};

use crate::limits::Limit;
use crate::outcome::Move;
use crate::state::{State, Stopped};
use crate::value::{Input, Movable, Output, Place};

/// Its name as an import.
pub(crate) const INTERFACE: &str = "cloister:tool/handles@0.1.0";

pub(crate) struct InputFile(pub(crate) Input);
pub(crate) struct OutputFile(pub(crate) Output);
pub(crate) struct MovableFile(pub(crate) Movable);
pub(crate) struct PlaceName(pub(crate) Place);

/// `enum fault` of the WIT.
#[derive(ComponentType, Lower, Debug, Clone, Copy)]
#[component(enum)]
#[repr(u8)]
enum Fault {
    #[component(name = "limit")]
    Limit,
    #[component(name = "io")]
    Io,
}

type Store<'a> = StoreContextMut<'a, State>;

pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut at = linker.instance(INTERFACE)?;
    resource::<InputFile>(&mut at, "input")?;
    resource::<OutputFile>(&mut at, "output")?;
    resource::<MovableFile>(&mut at, "movable")?;
    resource::<PlaceName>(&mut at, "place")?;
    at.func_wrap(
        "[method]input.name",
        |s: Store<'_>, (this,): (Resource<InputFile>,)| {
            Ok((s.data().table.get(&this)?.0.name.clone(),))
        },
    )?;
    at.func_wrap(
        "[method]output.name",
        |s: Store<'_>, (this,): (Resource<OutputFile>,)| {
            Ok((s.data().table.get(&this)?.0.name.clone(),))
        },
    )?;
    at.func_wrap(
        "[method]movable.name",
        |s: Store<'_>, (this,): (Resource<MovableFile>,)| {
            Ok((s.data().table.get(&this)?.0.name.clone(),))
        },
    )?;
    at.func_wrap(
        "[method]place.name",
        |s: Store<'_>, (this,): (Resource<PlaceName>,)| {
            Ok((s.data().table.get(&this)?.0.name.clone(),))
        },
    )?;
    at.func_wrap(
        "[method]input.size",
        |s: Store<'_>, (this,): (Resource<InputFile>,)| {
            Ok((s.data().table.get(&this)?.0.source.size(),))
        },
    )?;
    at.func_wrap(
        "[method]input.read",
        |mut s: Store<'_>, (this, offset, length)| {
            Ok((read(s.data_mut(), &this, offset, length)?,))
        },
    )?;
    at.func_wrap(
        "[method]output.write",
        |mut s: Store<'_>, (this, bytes): (_, Vec<u8>)| Ok((write(s.data_mut(), &this, &bytes)?,)),
    )?;
    at.func_wrap(
        "[method]movable.move-to",
        |mut s: Store<'_>, (this, place)| Ok((move_to(s.data_mut(), &this, place)?,)),
    )?;
    Ok(())
}

fn resource<T: Send + 'static>(
    at: &mut LinkerInstance<'_, State>,
    name: &str,
) -> wasmtime::Result<()> {
    at.resource(
        name,
        ResourceType::host::<T>(),
        |mut store: Store<'_>, rep| {
            store.data_mut().table.delete(Resource::<T>::new_own(rep))?;
            Ok(())
        },
    )
}

fn read(
    state: &mut State,
    this: &Resource<InputFile>,
    offset: u64,
    length: u32,
) -> wasmtime::Result<Result<Vec<u8>, Fault>> {
    if length > state.limits.read_chunk {
        return Ok(Err(Fault::Limit));
    }
    let file = &mut state.table.get_mut(this)?.0;
    let left = file.source.size().saturating_sub(offset);
    let wanted = usize::try_from(left.min(u64::from(length)))?;
    let mut buffer = vec![0; wanted];
    let got = if wanted == 0 {
        Ok(0)
    } else {
        file.source.read_at(offset, &mut buffer)
    };
    match got {
        Ok(got) => {
            buffer.truncate(got);
            state.spend_read(got.max(1))?; // an empty read counts, or one could ask for ever
            Ok(Ok(buffer))
        }
        Err(error) if error.kind() == ErrorKind::FileTooLarge => Err(Stopped(Limit::Read).into()),
        Err(_) => Ok(Err(Fault::Io)),
    }
}

fn write(
    state: &mut State,
    this: &Resource<OutputFile>,
    bytes: &[u8],
) -> wasmtime::Result<Result<(), Fault>> {
    state.spend_write(bytes.len())?;
    Ok(state
        .table
        .get_mut(this)?
        .0
        .sink
        .write(bytes)
        .map_err(|_| Fault::Io))
}

/// Each file can be asked to move once: a second wish would make the first a lie.
fn move_to(
    state: &mut State,
    this: &Resource<MovableFile>,
    place: Resource<PlaceName>,
) -> wasmtime::Result<Result<(), Fault>> {
    let place = state.table.delete(place)?.0;
    let file = state.table.get(this)?.0.id;
    if state.moves.len() >= state.limits.moves {
        return Err(Stopped(Limit::Moves).into());
    }
    if !state.moved.insert(file) {
        return Ok(Err(Fault::Limit));
    }
    state.moves.push(Move {
        file,
        place: place.id,
    });
    Ok(Ok(()))
}
