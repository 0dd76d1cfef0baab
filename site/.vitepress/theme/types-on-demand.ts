/** Types of the samples: nothing of it is loaded before somebody points at a sample or gets there by keyboard. */
export function typesOnDemand(): void {
  const asked = (event: Event): void => {
    if (!(event.target instanceof Element) || !event.target.closest('pre[data-types]')) return;
    for (const type of ['pointerover', 'focusin'] as const) document.removeEventListener(type, asked);
    import('./type-tips.js').then(
      ({ showTypes }) => showTypes(event),
      (error: unknown) => console.error(error),
    );
  };
  for (const type of ['pointerover', 'focusin'] as const) document.addEventListener(type, asked);
}
