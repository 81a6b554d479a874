// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.grpc;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;
import javax.naming.InvalidNameException;
import javax.naming.ldap.LdapName;
import javax.naming.ldap.Rdn;

/**
 * Fits subjects of certificates. A filter is a regular expression that has to fit either the whole
 * subject in the form of RFC 2253 ("CN=agent-1,O=Example,C=DE") or one whole part of it
 * ("O=Example"), so that "CN=agent" does not let in "CN=agent-of-someone-else". In the original
 * "matches" is not defined; this is the strict reading.
 */
final class SubjectFilter {
  private final Pattern pattern;

  /**
   * @param key of the setting, for the error
   */
  SubjectFilter(String key, String expression) {
    if (expression == null || expression.trim().isEmpty()) {
      throw new SettingsException(
          key + " is empty: a regular expression is expected, such as \"O=Example\"");
    }
    try {
      pattern = Pattern.compile(expression);
    } catch (PatternSyntaxException e) {
      throw new SettingsException(
          key + " is no regular expression: " + e.getDescription() + ": " + expression, e);
    }
  }

  /**
   * @param subject by RFC 2253; "" fits nothing
   */
  boolean fits(String subject) {
    if (subject.isEmpty()) {
      return false;
    }
    if (pattern.matcher(subject).matches()) {
      return true;
    }
    for (String part : parts(subject)) {
      if (pattern.matcher(part).matches()) {
        return true;
      }
    }
    return false;
  }

  private static List<String> parts(String subject) {
    try {
      List<String> parts = new ArrayList<>();
      for (Rdn r : new LdapName(subject).getRdns()) {
        parts.add(r.toString());
      }
      return parts;
    } catch (InvalidNameException e) {
      return List.of();
    }
  }
}
