;; A guest of the host world without a language runtime: whatever it is asked, it finds the primes below a million five times, and
;; answers 200. Hardly anything but loops that store bytes, so no guest pays more for being counted and marked.
(module
  (memory (export "memory") 32)
  (global $free (mut i32) (i32.const 1024))
  (data (i32.const 16) "\c8\00")
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
    (global.set $free (i32.add (local.get $at) (local.get 3)))
    (local.get $at))
  (func $sieve
    (local $prime i32) (local $multiple i32)
    (memory.fill (i32.const 1048576) (i32.const 0) (i32.const 1000000))
    (local.set $prime (i32.const 2))
    (loop $next
      (if (i32.eqz (i32.load8_u offset=1048576 (local.get $prime)))
        (then
          (local.set $multiple (i32.mul (local.get $prime) (local.get $prime)))
          (loop $strike
            (i32.store8 offset=1048576 (local.get $multiple) (i32.const 1))
            (local.set $multiple (i32.add (local.get $multiple) (local.get $prime)))
            (br_if $strike (i32.lt_u (local.get $multiple) (i32.const 1000000))))))
      (local.set $prime (i32.add (local.get $prime) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $prime) (i32.const 1000)))))
  (func (export "handler") (param i32) (result i32)
    (local $left i32)
    (local.set $left (i32.const 5))
    (loop $again
      (call $sieve)
      (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
    (i32.const 16)))
