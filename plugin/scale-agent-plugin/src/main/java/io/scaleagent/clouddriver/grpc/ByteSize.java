// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.grpc;

import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Sizes as people write them in Spring's settings: "4MB" is 4 * 1024 * 1024. */
final class ByteSize {
  private static final Pattern FORM = Pattern.compile("\\s*(\\d{1,12})\\s*([A-Za-z]*)\\s*");
  private static final Map<String, Integer> SHIFTS =
      Map.of("", 0, "B", 0, "KB", 10, "K", 10, "MB", 20, "M", 20, "GB", 30, "G", 30);

  private ByteSize() {}

  /**
   * @param key of the setting, for the error
   */
  static int parse(String key, String text) {
    Matcher m = FORM.matcher(text == null ? "" : text);
    Integer shift = m.matches() ? SHIFTS.get(m.group(2).toUpperCase(Locale.ROOT)) : null;
    if (shift != null) {
      long bytes = Long.parseLong(m.group(1)) << shift;
      if (bytes > 0 && bytes <= Integer.MAX_VALUE) {
        return (int) bytes;
      }
    }
    throw new SettingsException(
        key + ": \"" + text + "\" is no size below 2GB; \"4MB\", for one, is");
  }
}
