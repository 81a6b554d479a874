// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.host;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.objectweb.asm.ClassReader;
import org.objectweb.asm.ClassVisitor;
import org.objectweb.asm.FieldVisitor;
import org.objectweb.asm.MethodVisitor;
import org.objectweb.asm.Opcodes;
import org.objectweb.asm.commons.ClassRemapper;
import org.objectweb.asm.commons.Remapper;

/** Class files as the tests of the plugin's boundary look at them. */
final class ClassFiles {
  /**
   * A class with what it has of its own: "name(descriptor)" for methods, "name descriptor" for
   * fields.
   */
  static final class Shape {
    final String name;
    String superName;
    List<String> interfaces = List.of();
    final Map<String, Integer> members = new HashMap<>();

    Shape(String name) {
      this.name = name;
    }
  }

  private ClassFiles() {}

  /** Those of a directory, by their internal names. */
  static Map<String, byte[]> under(Path directory) {
    try (Stream<Path> files = Files.walk(directory)) {
      return files
          .filter(f -> f.toString().endsWith(".class"))
          .collect(
              Collectors.toMap(
                  f -> {
                    String relative = directory.relativize(f).toString().replace('\\', '/');
                    return relative.substring(0, relative.length() - ".class".length());
                  },
                  ClassFiles::bytes));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static byte[] bytes(Path file) {
    try {
      return Files.readAllBytes(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** The shape of a class that a loader has; empty if it has none. */
  static Optional<Shape> shape(ClassLoader loader, String name) {
    try (InputStream in = loader.getResourceAsStream(name + ".class")) {
      return in == null ? Optional.empty() : Optional.of(shape(in.readAllBytes()));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static Shape shape(byte[] file) {
    ClassReader reader = new ClassReader(file);
    Shape shape = new Shape(reader.getClassName());
    shape.superName = reader.getSuperName();
    shape.interfaces = List.of(reader.getInterfaces());
    reader.accept(
        new ClassVisitor(Opcodes.ASM9) {
          @Override
          public MethodVisitor visitMethod(
              int access, String name, String descriptor, String signature, String[] thrown) {
            shape.members.put(name + descriptor, access);
            return null;
          }

          @Override
          public FieldVisitor visitField(
              int access, String name, String descriptor, String signature, Object value) {
            shape.members.put(name + " " + descriptor, access);
            return null;
          }
        },
        ClassReader.SKIP_CODE);
    return shape;
  }

  /** Every class that the file names anywhere: code, signatures, annotations. */
  static Set<String> classesNamedBy(byte[] file) {
    Set<String> named = new HashSet<>();
    Remapper collect =
        new Remapper() {
          @Override
          public String map(String internalName) {
            named.add(internalName);
            return internalName;
          }
        };
    new ClassReader(file).accept(new ClassRemapper(null, collect) {}, 0);
    return named;
  }

  /** Every member that the code uses: {owner, "name(descriptor)" or "name descriptor"}. */
  static Set<List<String>> membersUsedBy(byte[] file) {
    Set<List<String>> used = new HashSet<>();
    new ClassReader(file)
        .accept(
            new ClassVisitor(Opcodes.ASM9) {
              @Override
              public MethodVisitor visitMethod(
                  int access, String name, String descriptor, String signature, String[] thrown) {
                return new MethodVisitor(Opcodes.ASM9) {
                  @Override
                  public void visitMethodInsn(
                      int opcode, String owner, String name, String descriptor, boolean itf) {
                    used.add(List.of(owner, name + descriptor));
                  }

                  @Override
                  public void visitFieldInsn(
                      int opcode, String owner, String name, String descriptor) {
                    used.add(List.of(owner, name + " " + descriptor));
                  }

                  @Override
                  public void visitInvokeDynamicInsn(
                      String name,
                      String descriptor,
                      org.objectweb.asm.Handle bootstrap,
                      Object... arguments) {
                    for (Object argument : arguments) {
                      if (argument instanceof org.objectweb.asm.Handle) {
                        org.objectweb.asm.Handle h = (org.objectweb.asm.Handle) argument;
                        used.add(List.of(h.getOwner(), h.getName() + h.getDesc()));
                      }
                    }
                  }
                };
              }
            },
            0);
    return used;
  }
}
