// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.host;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles.Lookup;
import java.lang.invoke.MethodType;
import java.util.Objects;

/**
 * What "super." calls, for a method that only some versions of the class above have: nothing is
 * compiled against it. Immutable.
 *
 * @param <R> what it gives
 */
final class MethodAbove<R> {
  private final Lookup lookup;
  private final String name;
  private final Class<R> result;
  private final Class<?>[] types;

  /**
   * @param lookup of the class that calls
   * @param types of the arguments; an array for those that vary in number
   */
  MethodAbove(Lookup lookup, String name, Class<R> result, Class<?>... types) {
    this.lookup = Objects.requireNonNull(lookup);
    this.name = Objects.requireNonNull(name);
    this.result = Objects.requireNonNull(result);
    this.types = types.clone();
  }

  /**
   * Calls it. What it throws comes as it is, if it is unchecked.
   *
   * @throws IllegalStateException if the class above does not have it
   */
  R call(Object self, Object... arguments) {
    Class<?> caller = lookup.lookupClass();
    MethodHandle method;
    try {
      method =
          lookup
              .findSpecial(
                  caller.getSuperclass(), name, MethodType.methodType(result, types), caller)
              .asFixedArity();
    } catch (ReflectiveOperationException e) {
      throw new IllegalStateException(
          "this Clouddriver's "
              + caller.getSuperclass().getName()
              + " has no "
              + name
              + MethodType.methodType(result, types),
          e);
    }
    try {
      return result.cast(method.bindTo(self).invokeWithArguments(arguments));
    } catch (RuntimeException | Error e) {
      throw e;
    } catch (Throwable e) {
      throw new IllegalStateException(name + " failed", e);
    }
  }
}
