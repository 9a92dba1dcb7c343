//! From C pointers to Rust references, and the panic guard.
//!
//! The safety contract of every exported function is the standard's: pointers point to what the signature says with the
//! stated number of elements, handles come from `instantiate` and have not been freed, and one instance is used by one
//! thread at a time.

use crate::fault::{Fault, Status};
use crate::instance::{Instance, State};
use crate::log::Log;
use std::any::Any;
use std::ffi::{CStr, CString, c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// An instance as the host sees it.
pub type Handle = *mut c_void;
/// A saved state as the host sees it.
pub type StateHandle = *mut c_void;

/// Runs a call on an instance behind the panic guard.
///
/// # Safety
/// `handle` is null or a live instance that no other thread uses.
pub unsafe fn call(handle: Handle, body: impl FnOnce(&mut Instance) -> Result<Status, Fault>) -> Status {
    // SAFETY: by contract null, or made by `into_handle` and not freed; the caller has the only reference.
    let Some(instance) = (unsafe { handle.cast::<Instance>().as_mut() }) else { return Status::Error };
    if instance.is_broken() {
        return Status::Fatal;
    }
    let result = catch_unwind(AssertUnwindSafe(|| body(instance))).unwrap_or_else(|panic| {
        instance.set_broken();
        Err(Fault::fatal(format!("internal error, the instance is lost: {}", words(panic.as_ref()))))
    });
    result.unwrap_or_else(|fault| {
        instance.log().write(fault.status, &fault.message);
        fault.status
    })
}

fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("a panic without a message")
}

/// Makes an instance behind the panic guard; null and a log line if it cannot be made.
pub fn instantiate(make: impl FnOnce() -> Result<Instance, (Fault, Log)>) -> Handle {
    match catch_unwind(AssertUnwindSafe(make)) {
        Ok(Ok(instance)) => Box::into_raw(Box::new(instance)).cast(),
        Ok(Err((fault, log))) => {
            log.write(fault.status, &fault.message);
            std::ptr::null_mut()
        }
        Err(_) => std::ptr::null_mut(),
    }
}

/// Ends an instance.
///
/// # Safety
/// `handle` is null or a live instance; it is dead afterwards.
pub unsafe fn free(handle: Handle) {
    if handle.is_null() {
        return;
    }
    // SAFETY: made by `instantiate` from a box, freed once by contract.
    let instance = unsafe { Box::from_raw(handle.cast::<Instance>()) };
    // A panic while dropping must not reach the host either; there is nobody left to tell.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(instance)));
}

/// An array that the host lets us read.
///
/// # Safety
/// `pointer` points to `count` elements, or `count` is 0.
pub unsafe fn read<'a, T>(pointer: *const T, count: usize) -> Result<&'a [T], Fault> {
    if count == 0 {
        return Ok(&[]);
    }
    if pointer.is_null() {
        return Err(Fault::error("an array is a null pointer"));
    }
    // SAFETY: not null, `count` elements by contract.
    Ok(unsafe { std::slice::from_raw_parts(pointer, count) })
}

/// An array that the host lets us write.
///
/// # Safety
/// `pointer` points to `count` elements that nobody else uses, or `count` is 0.
pub unsafe fn write<'a, T>(pointer: *mut T, count: usize) -> Result<&'a mut [T], Fault> {
    if count == 0 {
        return Ok(&mut []);
    }
    if pointer.is_null() {
        return Err(Fault::error("an array is a null pointer"));
    }
    // SAFETY: not null, `count` elements by contract, ours for the call.
    Ok(unsafe { std::slice::from_raw_parts_mut(pointer, count) })
}

/// A variable that the host lets us write.
///
/// # Safety
/// `pointer` is null or points to a `T` that nobody else uses.
pub unsafe fn put<T>(pointer: *mut T, value: T) -> Result<(), Fault> {
    if pointer.is_null() {
        return Err(Fault::error("a result pointer is null"));
    }
    // SAFETY: not null, valid for writing by contract.
    unsafe { pointer.write(value) };
    Ok(())
}

/// A C string; empty if null.
///
/// # Safety
/// `text` is null or ends with a zero byte.
pub unsafe fn text(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: not null, zero-terminated by contract.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// A text as a C string, cut at its first zero byte.
#[must_use]
pub fn c_string(text: &str) -> CString {
    let clean: Vec<u8> = text.bytes().take_while(|byte| *byte != 0).collect();
    CString::new(clean).unwrap_or_default()
}

/// The saved state behind a handle.
///
/// # Safety
/// `state` is null or a live state.
pub unsafe fn state<'a>(state: StateHandle) -> Result<&'a State, Fault> {
    // SAFETY: null, or made by `keep_state` and not freed, by contract.
    unsafe { state.cast::<State>().as_ref() }.ok_or_else(|| Fault::error("the saved state is a null pointer"))
}

/// Gives a state to the host, into the slot's own state if it has one, as both standards ask for.
///
/// # Safety
/// `slot` is null or points to null or to a live state.
pub unsafe fn keep_state(slot: *mut StateHandle, state: State) -> Result<(), Fault> {
    // SAFETY: null or valid by contract.
    let slot = unsafe { slot.as_mut() }.ok_or_else(|| Fault::error("the slot for the state is a null pointer"))?;
    // SAFETY: null, or a live state by contract.
    if let Some(old) = unsafe { slot.cast::<State>().as_mut() } {
        *old = state;
    } else {
        *slot = Box::into_raw(Box::new(state)).cast();
    }
    Ok(())
}

/// Frees a state and empties its slot.
///
/// # Safety
/// `slot` is null or points to null or to a live state.
pub unsafe fn free_state(slot: *mut StateHandle) {
    // SAFETY: null or valid by contract.
    let Some(slot) = (unsafe { slot.as_mut() }) else { return };
    if !slot.is_null() {
        // SAFETY: made by `keep_state` from a box; the slot is emptied, so it is freed once.
        drop(unsafe { Box::from_raw(slot.cast::<State>()) });
        *slot = std::ptr::null_mut();
    }
}

/// Copies a state's bytes to the host.
///
/// # Safety
/// `bytes` points to `size` bytes.
pub unsafe fn put_bytes(state: &State, bytes: *mut u8, size: usize) -> Result<(), Fault> {
    let data = Instance::serialize(state)?;
    // SAFETY: `size` bytes by contract.
    let target = unsafe { write(bytes, size) }?;
    let target = target.get_mut(..data.len()).ok_or_else(|| {
        Fault::error(format!("the serialized state takes {} bytes, the buffer has {size}", data.len()))
    })?;
    target.copy_from_slice(&data);
    Ok(())
}
