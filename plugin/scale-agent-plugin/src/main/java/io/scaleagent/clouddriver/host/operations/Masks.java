// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.host.operations;

import java.util.Locale;
import java.util.regex.Pattern;

/** Keeps secrets, and what could forge a line, out of logs and the history. */
final class Masks {
  private static final int LONGEST = 1000;
  private static final String MASK = "***";

  /** What an API server may quote of a Secret when it refuses one stands after the first colon. */
  private static final Pattern AFTER_REASON = Pattern.compile("(?s)^([^:]{0,200}):.*$");

  private static final Pattern NAMED =
      Pattern.compile(
          "(?i)((?:password|passwd|secret|token|authorization|credential|api[-_]?key|private[-_]?key)"
              + "[\"']?\\s*[=:]\\s*)(\"[^\"]*\"|'[^']*'|[^\\s,;}]+)");
  private static final Pattern BEARER = Pattern.compile("(?i)\\b(bearer|basic)\\s+[^\\s\"',;]+");
  private static final Pattern WEB_TOKEN =
      Pattern.compile("\\beyJ[\\w-]{8,}\\.[\\w-]+(\\.[\\w-]*)?");

  private Masks() {}

  /**
   * @param kind of the object that it is about
   */
  static String text(String kind, String text) {
    String masked = text;
    if (kind.toLowerCase(Locale.ROOT).startsWith("secret")) {
      masked = AFTER_REASON.matcher(masked).replaceFirst("$1: " + MASK);
    } else {
      masked = BEARER.matcher(masked).replaceAll("$1 " + MASK);
      masked = NAMED.matcher(masked).replaceAll("$1" + MASK);
      masked = WEB_TOKEN.matcher(masked).replaceAll(MASK);
    }
    return line(masked);
  }

  /** Without control characters, and of a bounded length. */
  static String line(String text) {
    StringBuilder line = new StringBuilder();
    text.codePoints()
        .limit(LONGEST)
        .forEach(c -> line.appendCodePoint(Character.isISOControl(c) ? ' ' : c));
    return text.codePointCount(0, text.length()) > LONGEST ? line + "..." : line.toString();
  }
}
