export function LearnedScene() { return <section class="scene"><h1>learned</h1></section>; }
