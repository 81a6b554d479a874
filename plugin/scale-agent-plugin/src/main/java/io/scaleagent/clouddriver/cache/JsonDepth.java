// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.cache;

/**
 * How deep JSON is nested. What reads and writes it goes one call deeper for each level, and an
 * object that is deep enough would end the thread's stack, in one part of Clouddriver or another.
 */
final class JsonDepth {
  /** As the agent has it, which leaves out what is deeper. The API server takes less. */
  static final int MOST = 512;

  private JsonDepth() {}

  /** Whether no place of the text, be it JSON or not, is nested deeper than {@link #MOST}. */
  static boolean isBounded(CharSequence json) {
    int depth = 0;
    boolean text = false;
    for (int i = 0; i < json.length(); i++) {
      char c = json.charAt(i);
      if (text) {
        if (c == '\\') {
          i++;
        } else if (c == '"') {
          text = false;
        }
      } else if (c == '"') {
        text = true;
      } else if ((c == '{' || c == '[') && ++depth > MOST) {
        return false;
      } else if (c == '}' || c == ']') {
        depth = Math.max(0, depth - 1);
      }
    }
    return true;
  }
}
