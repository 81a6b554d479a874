// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.host;

import com.google.common.hash.Hasher;
import com.google.common.hash.Hashing;
import java.nio.charset.StandardCharsets;
import java.util.Set;
import java.util.TreeSet;

/**
 * A mark of Front50's applications. There are thousands, and each account asks for it every few
 * seconds: it is made anew only when they are other ones. Shared by threads.
 */
final class ApplicationsMark {
  private static final class Known {
    final Set<String> names;
    final String mark;

    Known(Set<String> names, String mark) {
      this.names = names;
      this.mark = mark;
    }
  }

  private volatile Known last = new Known(Set.of(), mark(Set.of()));

  /**
   * @param names as Clouddriver holds them: it takes another set in place of changing one
   */
  String of(Set<String> names) {
    Known known = last;
    if (known.names != names) {
      known = new Known(names, known.names.equals(names) ? known.mark : mark(names));
      last = known;
    }
    return known.mark;
  }

  private static String mark(Set<String> names) {
    Hasher hash = Hashing.sha256().newHasher();
    for (String name : new TreeSet<>(names)) {
      hash.putInt(name.length()).putString(name, StandardCharsets.UTF_8);
    }
    return hash.hash().toString();
  }
}
