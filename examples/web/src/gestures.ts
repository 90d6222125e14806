/** Keys, and files that are dropped anywhere on the page. */

/** Press a button by a key, unless a control that may want the key has the focus. */
export function onKeys(buttons: Record<string, HTMLButtonElement>): void {
  document.onkeydown = (event) => {
    const control = event.target as HTMLElement;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (control.closest("button,input,select,summary")) return;
    const button = buttons[event.key];
    if (!button || button.disabled) return;
    event.preventDefault();
    button.click();
  };
}

export function onDrop(take: (file: File) => void): void {
  document.ondragover = (event) => {
    event.preventDefault();
    document.body.classList.add("dropping");
  };
  document.ondragleave = (event) => {
    if (!event.relatedTarget) document.body.classList.remove("dropping");
  };
  document.ondrop = (event) => {
    event.preventDefault();
    document.body.classList.remove("dropping");
    const file = event.dataTransfer?.files[0];
    if (file) take(file);
  };
}
