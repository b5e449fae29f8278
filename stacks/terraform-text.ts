/**
 * Text that Terraform must take as it stands: `${` and `%{` would begin an interpolation or a directive, and are doubled
 * (Terraform language, "Strings and Templates").
 */
export function terraformText(text: string): string {
  return text.replaceAll("${", "$${").replaceAll("%{", "%%{");
}
